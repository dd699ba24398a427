"""The seeds of an arm as one model: the scores of the mean of their probabilities, from stored predictions."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from bertft_core.evaluation.run_scores import CHECKPOINTS, stored_predictions
from bertft_core.metrics import METRICS
from bertft_core.records import RunRecord
from bertft_core.records.not_computed import NotComputed
from bertft_core.records.summary import ArmSummary, Ensemble, scores_by_index
from bertft_core.storage.study_results import StudyResults


def ensemble_of(results: StudyResults, arm: ArmSummary, key: str) -> Ensemble:
    """Every score of the ensemble of an arm, and the mean over its members of `key` (checkpoint/split/metric).

    Collapsed runs are members; runs that failed or diverged, or whose predictions cannot be read, are not.
    """
    scored = results.scored_runs(arm.arm)
    members = [record for record in scored if _readable(results, record)]
    indices, n_unreadable = tuple(record.spec.index for record in members), len(scored) - len(members)
    refused = _refused(scored, members)
    if refused is not None:
        return Ensemble(seeds=indices, n_unreadable=n_unreadable, refused=refused)
    by_index = scores_by_index(arm, key)
    alone = [by_index[index] for index in indices if index in by_index]
    mean = float(np.mean(alone)) if alone else None
    return Ensemble(seeds=indices, scores=_scores(results, members), mean_of_seeds=mean, n_unreadable=n_unreadable)


def _readable(results: StudyResults, record: RunRecord) -> bool:
    files = [(checkpoint, split) for checkpoint, splits in record.predictions.items() for split in splits]
    return bool(files) and all(stored_predictions(results, record, *file) is not None for file in files)


def _refused(scored: Sequence[RunRecord], members: Sequence[RunRecord]) -> NotComputed | None:
    """Why these runs make no ensemble; None when they do."""
    if scored and METRICS[scored[0].spec.head.kind].ensemble is None:
        return NotComputed(reason="no stored predictions")
    if len(scored) < 2:
        return NotComputed(reason="too few scores", n=len(scored), needed=2, detail="seeds")
    if len(members) < 2:
        return NotComputed(reason="too few predictions", n=len(members), needed=2)
    return None


def _scores(results: StudyResults, members: Sequence[RunRecord]) -> dict[str, float]:
    """`checkpoint/split/metric` → value. Thresholds are tuned on the validation predictions of the ensemble."""
    spec = members[0].spec
    metrics = METRICS[spec.head.kind]

    def together(checkpoint: str, split: str) -> pa.Table:
        tables = [stored_predictions(results, record, checkpoint, split) for record in members]
        return metrics.combined([table for table in tables if table is not None], spec.labels, spec.head)

    found: dict[str, float] = {}
    for checkpoint in CHECKPOINTS:
        tuned = metrics.tune(together(checkpoint, "validation"), spec.labels)
        for split in members[0].predictions[checkpoint]:
            values = metrics.compute(together(checkpoint, split), spec.labels, **tuned)
            found |= {f"{checkpoint}/{split}/{metric}": value for metric, value in values.items()}
    return found
