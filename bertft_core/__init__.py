"""bertft's library: reproducible multi-seed studies of BERT fine-tuning, usable without Prefect and MLflow."""

__version__ = "0.1.0"
