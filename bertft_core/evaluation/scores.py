"""The scores of one run, computed again from its stored predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bertft_core.metrics import METRICS
from bertft_core.records import DatasetCard, RunRecord, StudySummary
from bertft_core.records.predictions import Predictions, read_predictions

CHECKPOINTS = ("best", "final")
SCORED = ("ok", "collapsed")
"""Statuses whose predictions mean something."""


def scores_of(record: RunRecord, run_dir: Path) -> dict[str, float]:
    """`checkpoint/split/metric` → value of a run that ended with a model; empty for any other.

    The record's own numbers stand in where a prediction file is gone or torn.
    """
    if record.status not in SCORED:
        return {}
    compute, labels = METRICS[record.spec.head.kind].compute, record.spec.labels
    scores: dict[str, float] = {}
    for checkpoint in CHECKPOINTS:
        recorded: dict[str, dict[str, float]] = getattr(record, checkpoint)
        for split in sorted({*recorded, *record.predictions.get(checkpoint, {})}):
            stored = stored_predictions(record, run_dir, checkpoint, split)
            values = recorded.get(split, {}) if stored is None else compute(stored.logits, stored.labels, labels)
            scores |= {f"{checkpoint}/{split}/{metric}": value for metric, value in values.items()}
    return scores


def stored_predictions(record: RunRecord, run_dir: Path, checkpoint: str, split: str) -> Predictions | None:
    """The predictions a run kept, or None when there are none that can be read."""
    path = record.predictions.get(checkpoint, {}).get(split)
    if path is None:
        return None
    try:
        stored = read_predictions(run_dir / path)
    except (FileNotFoundError, ValueError):
        return None
    return stored if stored.logits.shape[1] == len(record.spec.labels) and len(stored.labels) else None


def confusions(
    summary: StudySummary, records: Mapping[str, RunRecord], run_dir_of: Callable[[str], Path]
) -> dict[str, tuple[NDArray[np.int64], int]]:
    """Arm → counts [true, predicted] added up over its seeds, and the number of seeds in them.

    For the headline split and checkpoint; `records` by run digest. Arms without stored predictions are left out.
    """
    found: dict[str, tuple[NDArray[np.int64], int]] = {}
    for arm in summary.arms:
        tables = []
        for seed in arm.seeds:
            record = records.get(seed.run_digest)
            if record is None or record.status not in SCORED:
                continue
            stored = stored_predictions(record, run_dir_of(record.digest), summary.headline_checkpoint, summary.headline_split)
            if stored is not None:
                confusion = METRICS[record.spec.head.kind].confusion
                tables.append(confusion(stored.logits, stored.labels, len(record.spec.labels)))
        if tables:
            found[arm.arm] = (np.sum(tables, axis=0), len(tables))
    return found


def majority_scores(card: DatasetCard, kind: str, split: str) -> dict[str, float]:
    """What the constant predictor of the most frequent training label scores on a split, from the card's label counts."""
    n_classes = range(len(card.labels))

    def labels_of(name: str) -> NDArray[np.int64]:
        return np.repeat(n_classes, [card.splits[name].label_counts.get(label, 0) for label in card.labels])

    return METRICS[kind].majority(labels_of("train"), labels_of(split), card.labels)
