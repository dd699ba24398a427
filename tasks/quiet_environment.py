"""The environment of every bertft process: telemetry off, libraries quiet. Set before Prefect, MLflow or transformers load."""

import os
from pathlib import Path

SETTINGS = {
    "DO_NOT_TRACK": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "ALEMBIC_LOG_LEVEL": "WARNING",
}


def be_quiet() -> None:
    """Set what the user has not set."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)


def keep_prefect_out_of_the_terminal() -> None:
    """Its log records go to its server only: the command line says what matters, and shows no traceback for a user's mistake."""
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")


def use_embedded_prefect(home_dir: Path) -> None:
    """Keep Prefect's state in the study home."""
    os.environ.setdefault("PREFECT_HOME", str(home_dir / "prefect"))
    keep_prefect_out_of_the_terminal()
