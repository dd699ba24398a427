"""How far the seeds of an arm agree on single examples, and the examples that flip most."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from bertft_core.evaluation.example_texts import ExampleTexts
from bertft_core.evaluation.run_scores import tuned_predictions
from bertft_core.metrics import METRICS
from bertft_core.metrics.categories import Categories, Tuned
from bertft_core.metrics.prediction_columns import vector
from bertft_core.records import ArmSummary
from bertft_core.records.insight_records import Agreement, FlippingExample
from bertft_core.records.not_computed import NotComputed
from bertft_core.statistics.fleiss_agreement import fleiss_kappa, flips, jensen_shannon, pair_disagreement
from bertft_core.storage.study_results import StudyResults

N_SHOWN = 10


def agreement_of_arms(results: StudyResults) -> tuple[tuple[Agreement, ...], tuple[NotComputed, ...]]:
    """The agreement of every arm at the headline's checkpoint and split, and why an arm has none."""
    if results.study.is_selected:
        return (), (NotComputed(reason="seeds selected"),)
    if results.study.head.kind == "masked_lm":
        return (), (NotComputed(reason="no stored predictions"),)
    found = [_of_arm(results.of_arm(arm.arm), arm) for arm in results.summary.arms]
    agreed = tuple(one for one in found if isinstance(one, Agreement))
    return agreed, tuple(one for one in found if isinstance(one, NotComputed))


def _of_arm(results: StudyResults, arm: ArmSummary) -> Agreement | NotComputed:
    """The agreement, or why there is none."""
    place = results.summary.headline_checkpoint, results.summary.headline_split
    read = [tuned_predictions(results, record, *place) for record in results.scored_runs(arm.arm)]
    found = [one for one in read if one is not None]
    tables, tuned = [table for table, _ in found], [tuned for _, tuned in found]
    if len(tables) < 2:
        return NotComputed(reason="too few predictions", arm=arm.arm, n=len(tables), needed=2)
    if any(not table["example_id"].equals(tables[0]["example_id"]) for table in tables[1:]):
        return NotComputed(reason="different examples", arm=arm.arm)
    if results.study.head.kind == "regression":
        return _of_numbers(results, arm.arm, tables)
    return _of_categories(results, arm.arm, tables, tuned)


def _of_categories(results: StudyResults, arm: str, tables: Sequence[pa.Table], tuned: Tuned) -> Agreement | NotComputed:
    given = METRICS[results.study.head.kind].categorised(tables, tuned, results.card.labels, results.study.head)
    if given is None:
        return NotComputed(reason="no categories", arm=arm, detail=results.study.head.kind)
    apart = pair_disagreement(given.answers)
    divergence = None
    if given.probabilities is not None:
        divergence = float(jensen_shannon(make() for make in given.probabilities).mean())
    minority = flips(given.right)
    n_units, n_seeds = given.answers.shape
    order = np.lexsort((-minority, -apart))  # stable: among equals the first in the data comes first
    texts = ExampleTexts(results.card, results.summary.headline_split)
    shown = [unit for unit in order[:N_SHOWN].tolist() if apart[unit] > 0]
    return Agreement(
        arm=arm,
        split=results.summary.headline_split,
        checkpoint=results.summary.headline_checkpoint,
        kind=results.study.head.kind,
        unit=given.unit,
        n_seeds=n_seeds,
        n_units=n_units,
        fleiss_kappa=fleiss_kappa(given.answers),
        disagreement=float(apart.mean()),
        jensen_shannon=divergence,
        n_unanimous=int((apart == 0).sum()),
        n_flipping=int((minority > 0).sum()),
        most_flipping=tuple(_flipping(texts, tables[0], given, unit, float(apart[unit])) for unit in shown),
    )


def _flipping(texts: ExampleTexts, table: pa.Table, given: Categories, unit: int, disagreement: float) -> FlippingExample:
    ids, counts = np.unique(given.answers[unit], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    example_id = table["example_id"][int(given.rows[unit])].as_py()
    return FlippingExample(
        example_id=example_id,
        part=None if given.parts is None else given.parts[unit],
        text=texts.hint(example_id),
        gold=given.gold[unit],
        answers={given.names[int(ids[i])]: int(counts[i]) for i in order.tolist()},
        n_right=int(given.right[unit].sum()),
        disagreement=disagreement,
    )


def _of_numbers(results: StudyResults, arm: str, tables: Sequence[pa.Table]) -> Agreement:
    answers = np.stack([vector(table, "predicted").astype(np.float64) for table in tables], axis=1)
    gold, sds = vector(tables[0], "label"), answers.std(axis=1, ddof=1)
    shown = np.argsort(-sds, kind="stable")[:N_SHOWN].tolist()
    texts = ExampleTexts(results.card, results.summary.headline_split)
    return Agreement(
        arm=arm,
        split=results.summary.headline_split,
        checkpoint=results.summary.headline_checkpoint,
        kind="regression",
        unit="example",
        n_seeds=len(tables),
        n_units=len(answers),
        mean_sd=float(sds.mean()),
        most_flipping=tuple(
            FlippingExample(
                example_id=tables[0]["example_id"][row].as_py(),
                text=texts.hint(tables[0]["example_id"][row].as_py()),
                gold=f"{float(gold[row]):g}",
                answers={name: float(getattr(answers[row], name)()) for name in ("mean", "min", "max")} | {"sd": float(sds[row])},
                disagreement=float(sds[row]),
            )
            for row in shown
            if sds[row] > 0
        ),
    )
