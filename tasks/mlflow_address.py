"""The address of the store where MLflow keeps the record of a study. Imports no MLflow."""

from pathlib import Path

from bertft_core.config.addresses import without_password


def tracking_uri(home_dir: Path, uri: str | None) -> str:
    """Where the record is kept: what the study says, else `mlflow.db` in the home."""
    return uri or f"sqlite:///{home_dir.resolve() / 'mlflow.db'}"


def shown_uri(home_dir: Path, uri: str | None) -> str:
    """The same as it may be shown: without a password."""
    return without_password(tracking_uri(home_dir, uri))
