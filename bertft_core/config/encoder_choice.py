"""One encoder per study: a folder or a hub checkpoint; `--set` takes precedence over the file."""

from collections.abc import Sequence
from typing import Any

from bertft_core.config.encoder_settings import DEFAULT_CHECKPOINT
from bertft_core.config.yaml_text import Path

PATH, CHECKPOINT = ("encoder", "path"), ("encoder", "checkpoint")


def ignored_key(values: dict[str, Any], overridden: Sequence[Path]) -> Path | None:
    """The path of a checkpoint or revision that would be ignored because a folder is given too; None if nothing is ignored.

    `overridden` are the paths that `--set` wrote. A checkpoint given there removes the file's folder from `values`. A folder
    given there is read instead of the file's checkpoint, which stays in `values` because it is part of the study's digest.
    The default checkpoint is never an error: every config that was written out has it.
    """
    encoder = values.get("encoder")
    if not isinstance(encoder, dict) or encoder.get("path") is None:
        return None
    if CHECKPOINT in overridden and PATH not in overridden and encoder.get("checkpoint") is not None:
        encoder["path"] = None
        return None
    ignored = [("encoder", key) for key in ("checkpoint", "revision") if encoder.get(key) not in (None, DEFAULT_CHECKPOINT)]
    given = [place for place in ignored if place in overridden] if PATH in overridden else ignored
    return next(iter(given), None)
