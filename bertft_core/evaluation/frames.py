"""The results of a study as pandas frames: one row per run, score, trial or prediction.

Integers are `Int64`, other numbers `float64`, yes and no `boolean`, everything else `str`; a missing value is missing. Seeds and
statuses are those of the summary, so the results must be evaluated. Times are in seconds, scores in units of their metric.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from bertft_core.evaluation.run_scores import stored_predictions
from bertft_core.records import ArmSummary, SeedScore, StudySummary
from bertft_core.storage.study_results import StudyResults

Row = Mapping[str, Any]


def runs(results: StudyResults) -> pd.DataFrame:
    """One row per planned report run, in the order of arms and seeds.

    Columns: `arm`, `index` (of the seed), `status` (or 'missing'), `init_seed`, `order_seed`, `dropout_seed`, `run_digest`,
    `weights_sha256`, `best_step`, `train_seconds`, `examples_per_second` (in training), `n_parameters`, `peak_memory_bytes`,
    `batches` (their layout), `error`, in a split design `split`, `repeat`, `fold` and `seed`, in a crossed design `init_index`,
    `order_index` and `replicate` (which of the runs that differ in the dropout seed alone), every training setting of the arm,
    every setting of encoder, head and data that any arm names (`head.crf`), `train_examples` where an arm trains on a subset, and
    every score as `checkpoint/split/metric`.
    """
    rows = []
    for arm in results.summary.arms:
        setting = results.study.training_of(arm.arm, dict(arm.chosen)).model_dump(mode="json")
        setting |= {key: value for key, value in results.decided.study.own_settings(arm.arm).items() if value is not None}
        rows += [_run(results, arm, seed) | setting | seed.scores for seed in arm.seeds]
    return as_frame(rows)


def scores(summary: StudySummary) -> pd.DataFrame:
    """One row per score of a report run: `arm`, `index`, `status`, `key`, its `checkpoint`, `split` and `metric`, and `value`."""
    return as_frame(
        [
            {"arm": arm.arm, "index": seed.index, "status": seed.status, "key": key}
            | dict(zip(("checkpoint", "split", "metric"), key.split("/", 2), strict=True))
            | {"value": value}
            for arm in summary.arms
            for seed in arm.seeds
            for key, value in seed.scores.items()
        ],
        ("arm", "index", "status", "key", "checkpoint", "split", "metric", "value"),
    )


def rows_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as plain values, None where one is missing."""
    values = table.astype(object)
    rows: list[Any] = values.where(values.notna(), None).to_dict("records")
    return rows


def trials(results: StudyResults) -> pd.DataFrame:
    """One row per trial of a search: `arm`, `number`, `state`, `score`, `is_chosen`, `n_runs`, and every searched parameter.

    `score` is the mean over the search seeds of the best validation score.
    """
    return as_frame(
        [
            {
                "arm": sweep.arm,
                "number": trial.number,
                "state": trial.state,
                "score": trial.score,
                "is_chosen": trial.number == sweep.best_trial,
                "n_runs": len(trial.run_digests),
            }
            | trial.params
            for sweep in results.sweeps.values()
            for trial in sweep.trials
        ],
        ("arm", "number", "state", "score", "is_chosen", "n_runs"),
    )


def predictions(results: StudyResults, split: str | None = None, checkpoint: str | None = None) -> pd.DataFrame:
    """One row per example and report run with stored predictions: `arm`, `index`, and the columns that the head stores.

    By default those of the headline's split and checkpoint (`best` or `final`). Columns such as `example_id`, `label`,
    `predicted` and `logits` depend on the head; their dtypes are those of the stored tables.
    """
    summary, parts = results.summary, []
    for arm in summary.arms:
        for record in results.scored_runs(arm.arm):
            place = (checkpoint or summary.headline_checkpoint, split or summary.headline_split)
            table = stored_predictions(results, record, *place)
            if table is not None:
                rows = table.to_pandas()
                rows.insert(0, "arm", arm.arm)
                rows.insert(1, "index", record.spec.index)
                parts.append(rows)
    return pd.concat(parts, ignore_index=True) if parts else as_frame([], ("arm", "index", "example_id"))


def _run(results: StudyResults, arm: ArmSummary, seed: SeedScore) -> dict[str, Any]:
    record = results.records.get(seed.run_digest)
    return {
        "arm": arm.arm,
        "index": seed.index,
        "status": seed.status,
        "init_seed": seed.init_seed,
        "order_seed": seed.order_seed,
        "dropout_seed": seed.dropout_seed,
        "run_digest": seed.run_digest,
        "weights_sha256": seed.weights_sha256,
        "best_step": seed.best_step,
        "train_seconds": None if record is None else record.train_seconds,
        "examples_per_second": None if record is None else record.examples_per_second,
        "n_parameters": (None if record is None else record.n_parameters) or None,
        "peak_memory_bytes": None if record is None else record.peak_memory_bytes,
        "batches": None if record is None else record.batches,
        "error": seed.error,
        **_place(seed),
    }


def _place(seed: SeedScore) -> dict[str, Any]:
    """Where a run is in the design of its study, counted from 0."""
    crossed = (
        {}
        if seed.cell is None
        else {"init_index": seed.cell.init, "order_index": seed.cell.order, "replicate": seed.cell.replicate}
    )
    return crossed | ({} if seed.split is None else seed.split.model_dump(include={"split", "repeat", "fold", "seed"}))


def as_frame(rows: Sequence[Row], columns: Sequence[str] = ()) -> pd.DataFrame:
    """Rows as a frame whose columns are at least `columns`, in the order of their first occurrence."""
    names = dict.fromkeys([*columns, *(name for row in rows for name in row)])
    return pd.DataFrame({name: _series([row.get(name) for row in rows]) for name in names})


def _series(values: Sequence[Any]) -> pd.Series[Any]:
    kinds = {type(value) for value in values if value is not None}
    dtypes = ((bool, "boolean"), (int, "Int64"), (float, "float64"))
    dtype = next((dtype for kind, dtype in dtypes if kinds == {kind}), "float64" if kinds == {int, float} else "str")
    return pd.Series(values, dtype=dtype)
