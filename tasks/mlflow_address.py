"""The address of the store where MLflow keeps the record of a study. Imports no MLflow."""

from pathlib import Path
from urllib.parse import urlsplit

from bertft_core.config.addresses import without_password


def tracking_uri(home_dir: Path, uri: str | None) -> str:
    """Where the record is kept: what the study says, else `mlflow.db` in the home."""
    return uri or f"sqlite:///{home_dir.resolve() / 'mlflow.db'}"


def shown_uri(home_dir: Path, uri: str | None) -> str:
    """The same as it may be shown: without a password."""
    return without_password(tracking_uri(home_dir, uri))


def browser_address(uri: str | None) -> str | None:
    """The address of MLflow's pages, without name and password; None where the store is none that a browser reaches."""
    if uri is None or not uri.startswith(("http://", "https://")):
        return None
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")
