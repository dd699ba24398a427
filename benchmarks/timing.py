"""When a bertft study began to train and how long its busiest slot worked, read from the records of its runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bertft_core.records import RunRecord


def first_step_at(records: Sequence[RunRecord]) -> float:
    """When the first training step of the study began, in seconds since the epoch.

    Of each run: its end less everything it timed before. Checkpoints a run saves on its way (one per minute, a fraction of a
    second each) are in neither figure and move the result back by as much.
    """
    return min(_seconds(record.ended_at) - record.evaluate_seconds - record.train_seconds for record in records)


def busiest_slot(records: Sequence[RunRecord]) -> tuple[float, float]:
    """Training seconds, and training and evaluation seconds, of the slot that worked most.

    A record does not name its slot; runs that do not overlap can share one, so they are dealt out in the order of their starts.
    """
    slots: list[list[RunRecord]] = []
    for record in sorted(records, key=lambda record: record.started_at):
        slot = next((slot for slot in slots if slot[-1].ended_at <= record.started_at), None)
        if slot is None:
            slots.append([record])
        else:
            slot.append(record)
    sums = [(sum(r.train_seconds for r in slot), sum(r.train_seconds + r.evaluate_seconds for r in slot)) for slot in slots]
    return max(sums, key=lambda pair: pair[1])


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()
