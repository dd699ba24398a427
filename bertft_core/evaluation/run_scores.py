"""The scores of one run, computed again from its stored predictions."""

import sys

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bertft_core.metrics import METRICS
from bertft_core.records import DatasetCard, RunRecord
from bertft_core.records.ranking import SCORED
from bertft_core.storage.file_signatures import signature_of
from bertft_core.storage.study_results import StudyResults

CHECKPOINTS = ("best", "final")


def scores_of(results: StudyResults, record: RunRecord) -> dict[str, float]:
    """`checkpoint/split/metric` → value of a run that ended with a model; empty for any other.

    The record's own numbers stand in where a prediction file is gone or torn.
    """
    if record.status not in SCORED:
        return {}
    metrics, labels = METRICS[record.spec.head.kind], record.spec.labels
    scores: dict[str, float] = {}
    for checkpoint in CHECKPOINTS:
        recorded: dict[str, dict[str, float]] = getattr(record, checkpoint)
        validation = stored_predictions(results, record, checkpoint, "validation")
        tuned = None if validation is None else tuned_on(results, record, checkpoint, validation)
        for split in sorted({*recorded, *record.predictions.get(checkpoint, {})}):
            read = validation is not None and split != "validation"
            stored = stored_predictions(results, record, checkpoint, split) if read else validation
            values = recorded.get(split, {}) if stored is None else metrics.compute(stored, labels, **(tuned or {}))
            # interned: all runs have the same keys
            scores |= {sys.intern(f"{checkpoint}/{split}/{metric}"): value for metric, value in values.items()}
    return scores


def stored_predictions(results: StudyResults, record: RunRecord, checkpoint: str, split: str) -> pa.Table | None:
    """The predictions a run kept, or None when there are none that can be read."""
    path = record.predictions.get(checkpoint, {}).get(split)
    if path is None:
        return None
    try:
        stored = results.predictions.read(results.study_dir.file_of_run(record.digest, path))
    except (FileNotFoundError, ValueError):
        return None
    return stored if stored.num_rows else None


def tuned_predictions(
    results: StudyResults, record: RunRecord, checkpoint: str, split: str
) -> tuple[pa.Table, dict[str, float]] | None:
    """The predictions a run kept, and what was tuned for them on its validation set; None when either is missing."""
    stored = stored_predictions(results, record, checkpoint, split)
    validation = stored if split == "validation" else stored_predictions(results, record, checkpoint, "validation")
    if stored is None or validation is None:
        return None
    return stored, tuned_on(results, record, checkpoint, validation)


def tuned_on(results: StudyResults, record: RunRecord, checkpoint: str, validation: pa.Table) -> dict[str, float]:
    """What is tuned on a run's validation predictions at a checkpoint, once for each file."""
    path = results.study_dir.file_of_run(record.digest, record.predictions[checkpoint]["validation"])
    place, tuned = (path, signature_of(path)), results.predictions.tuned
    if place not in tuned:
        tuned[place] = METRICS[record.spec.head.kind].tune(validation, record.spec.labels)
    return tuned[place]


def confusions(results: StudyResults) -> dict[str, tuple[tuple[str, ...], NDArray[np.int64], int]]:
    """Arm → names, counts [true, predicted] added up over its seeds, and the number of seeds in them.

    For the headline split and checkpoint. Arms without stored predictions are left out, and so are heads whose predictions
    cannot be counted in a table.
    """
    found: dict[str, tuple[tuple[str, ...], NDArray[np.int64], int]] = {}
    for arm in results.summary.arms:
        tables = [table for record in results.scored_runs(arm.arm) if (table := _confusion(results, record)) is not None]
        if tables:
            found[arm.arm] = (tables[0][0], np.sum([counts for _, counts in tables], axis=0), len(tables))
    return found


def _confusion(results: StudyResults, record: RunRecord) -> tuple[tuple[str, ...], NDArray[np.int64]] | None:
    summary = results.summary
    found = tuned_predictions(results, record, summary.headline_checkpoint, summary.headline_split)
    if found is None:
        return None
    return METRICS[record.spec.head.kind].confusion(found[0], record.spec.labels, **found[1])


def majority_scores(card: DatasetCard, split: str) -> dict[str, float]:
    """What the constant predictor scores on a split: the most frequent training label, the training mean, no answer.

    In a split design the mean over all splits that have such a score.
    """
    if not card.draws:
        return card.splits[split].constant_scores
    of_draws = [draw.splits[split].constant_scores for draw in card.draws]
    metrics = dict.fromkeys(metric for found in of_draws for metric in found)
    return {metric: float(np.mean([found[metric] for found in of_draws if metric in found])) for metric in metrics}
