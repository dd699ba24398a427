"""One encoder per study: a folder or a checkpoint of the hub; what `--set` names takes the place of what the file says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bertft_core.config.encoder_settings import DEFAULT_CHECKPOINT
from bertft_core.config.yaml_text import Path

PATH, CHECKPOINT = ("encoder", "path"), ("encoder", "checkpoint")


def unread_key(values: dict[str, Any], overridden: Sequence[Path]) -> Path | None:
    """The place of a checkpoint or revision that nothing would read, because a folder is named as well; None when all is read.

    `overridden` are the places that `--set` wrote. A checkpoint named there, over the file's folder, takes that folder out of
    `values`; a folder named there is read instead of the file's checkpoint, and that one stays where it is: it is part of the
    study's digest. The default checkpoint is no question: every config that was written out has it.
    """
    encoder = values.get("encoder")
    if not isinstance(encoder, dict) or encoder.get("path") is None:
        return None
    if CHECKPOINT in overridden and PATH not in overridden and encoder.get("checkpoint") is not None:
        encoder["path"] = None
        return None
    unread = [("encoder", key) for key in ("checkpoint", "revision") if encoder.get(key) not in (None, DEFAULT_CHECKPOINT)]
    asked = [place for place in unread if place in overridden] if PATH in overridden else unread
    return next(iter(asked), None)
