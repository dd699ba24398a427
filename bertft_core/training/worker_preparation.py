"""A study's data prepared in a worker, whose libraries are loaded: the process that asks needs none of them."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bertft_core.config import StudyConfig
from bertft_core.data.reading_progress import READING
from bertft_core.training.trial_step import prepare_and_try

NUMBERS = ("what", "n_done", "n_in_all", "unit")


class _Sent(logging.Handler):
    """Sends how far files are read, and texts tokenised."""

    def __init__(self, send: Callable[[dict[str, Any]], object]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        numbers = {name: getattr(record, name) for name in NUMBERS}
        self._send({"kind": "reading", "text": record.getMessage(), "numbers": numbers})


def prepare(study: dict[str, Any], home_dir: Path, send: Callable[[dict[str, Any]], object]) -> None:
    """Send problems and progress of `prepare_and_try`, and the card at the end. Raises as that does."""

    def tell(problem: str) -> None:
        send({"kind": "problem", "text": problem})

    sent = _Sent(send)
    READING.addHandler(sent)
    READING.setLevel(logging.INFO)
    READING.propagate = False
    try:
        card = prepare_and_try(StudyConfig.model_validate(study), home_dir=home_dir, tell=tell)
    finally:
        READING.removeHandler(sent)
    send({"kind": "prepared", "card": card.model_dump(mode="json")})
