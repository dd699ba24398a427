"""Where everything a study makes lives."""

import os
from pathlib import Path


def home_dir(given: str | Path | None = None) -> Path:
    """The given folder, else $BERTFT_HOME, else ./bertft-home; absolute."""
    return Path(given or os.environ.get("BERTFT_HOME") or "bertft-home").expanduser().resolve()
