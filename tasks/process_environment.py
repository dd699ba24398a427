"""What a process takes from its environment, and what is set there before Prefect, MLflow or transformers load."""

import os
from pathlib import Path

from bertft_core.storage.home_folder import checked_home

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


def home_dir(given: str | Path | None = None) -> Path:
    """The folder of everything a study makes: the given one, else $BERTFT_HOME, else ./bertft-home; absolute.

    Raises `UserError` for a path that cannot be a home.
    """
    named = "--home" if given else "BERTFT_HOME" if os.environ.get("BERTFT_HOME") else "the current folder"
    return checked_home(given or os.environ.get("BERTFT_HOME") or "bertft-home", named)


def be_quiet() -> None:
    """Turn off telemetry and the chatter of libraries, as far as the user has not set them."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)


def keep_prefect_out_of_the_terminal() -> None:
    """Its log records go to its server only: the command line says what matters, and shows no traceback for a user's mistake."""
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")


def use_embedded_prefect(home: Path) -> None:
    """Keep Prefect's state in the study home."""
    os.environ.setdefault("PREFECT_HOME", str(home / "prefect"))
    keep_prefect_out_of_the_terminal()
