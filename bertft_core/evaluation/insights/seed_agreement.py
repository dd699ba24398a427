"""How far the seeds of an arm give the same answers, and the examples that flip most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from bertft_core.data.examples import shorten
from bertft_core.data.prepared_split import PreparedSplit, open_split
from bertft_core.evaluation.insights.insight_evidence import Evidence
from bertft_core.evaluation.run_scores import stored_predictions
from bertft_core.metrics import METRICS
from bertft_core.metrics.categories import Categories, Tuned
from bertft_core.metrics.prediction_columns import vector
from bertft_core.records import ArmSummary
from bertft_core.records.insight_records import Agreement, FlippingExample
from bertft_core.statistics.fleiss_agreement import fleiss_kappa, flips, jensen_shannon, pair_disagreement

N_SHOWN = 10
TEXT_LENGTH = 120


def agreement_of_arms(evidence: Evidence) -> tuple[tuple[Agreement, ...], tuple[str, ...]]:
    """The agreement of every arm at the headline's checkpoint and split, and why an arm has none."""
    found, notes = [], []
    if evidence.study.head.kind == "masked_lm":
        return (), ("of masked pieces no single answers are stored, so seeds cannot be compared example by example",)
    for arm in evidence.arms:
        agreed = _of_arm(evidence, arm)
        if isinstance(agreed, Agreement):
            found.append(agreed)
        else:
            notes.append(f"the seeds of {arm.arm} are not compared example by example: {agreed}")
    return tuple(found), tuple(notes)


def _of_arm(evidence: Evidence, arm: ArmSummary) -> Agreement | str:
    """The agreement, or why there is none."""
    tables, tuned = [], []
    for record in evidence.scored(arm):
        run_dir, labels = evidence.run_dir_of(record.digest), record.spec.labels
        table = stored_predictions(record, run_dir, evidence.checkpoint, evidence.split)
        validation = stored_predictions(record, run_dir, evidence.checkpoint, "validation")
        if table is not None and validation is not None:
            tables.append(table)
            tuned.append(METRICS[record.spec.head.kind].tune(validation, labels))
    if len(tables) < 2:
        return f"it takes the predictions of two seeds, and there are those of {len(tables)}"
    if any(not table["example_id"].equals(tables[0]["example_id"]) for table in tables[1:]):
        return "they were asked about different examples"
    if evidence.study.head.kind == "regression":
        return _of_numbers(evidence, arm.arm, tables)
    return _of_categories(evidence, arm.arm, tables, tuned)


def _of_categories(evidence: Evidence, arm: str, tables: Sequence[pa.Table], tuned: Tuned) -> Agreement | str:
    given = METRICS[evidence.study.head.kind].categorised(tables, tuned, evidence.card.labels, evidence.study.head)
    if given is None:
        return f"the answers of a head of kind '{evidence.study.head.kind}' are no categories"
    apart = pair_disagreement(given.answers)
    divergence = None
    if given.probabilities is not None:
        divergence = float(jensen_shannon(make() for make in given.probabilities).mean())
    minority = flips(given.right)
    kappa = fleiss_kappa(given.answers)
    n_unanimous, n_flipping = int((apart == 0).sum()), int((minority > 0).sum())
    n_units, n_seeds = given.answers.shape
    sentence = (
        f"the {n_seeds} seeds of {arm} give one and the same answer to {n_unanimous} of {n_units} {given.unit}s "
        f"({evidence.split}); two of them differ on {100 * float(apart.mean()):.1f} %"
    )
    sentence += f", Fleiss κ {kappa:.3f}".replace("-", "−") if kappa is not None else ""
    sentence += f"; {n_flipping} are right with some seeds and wrong with others"
    order = np.lexsort((-minority, -apart))  # stable, so that of equals the first in the data comes first
    split = _prepared(evidence)
    shown = [unit for unit in order[:N_SHOWN].tolist() if apart[unit] > 0]
    return Agreement(
        arm=arm,
        split=evidence.split,
        checkpoint=evidence.checkpoint,
        kind=evidence.study.head.kind,
        unit=given.unit,
        n_seeds=n_seeds,
        n_units=n_units,
        fleiss_kappa=kappa,
        disagreement=float(apart.mean()),
        jensen_shannon=divergence,
        n_unanimous=n_unanimous,
        n_flipping=n_flipping,
        most_flipping=tuple(_flipping(split, tables[0], given, unit, float(apart[unit])) for unit in shown),
        sentence=sentence,
    )


def _flipping(split: PreparedSplit | None, table: pa.Table, given: Categories, unit: int, disagreement: float) -> FlippingExample:
    ids, counts = np.unique(given.answers[unit], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    row = int(given.rows[unit])
    return FlippingExample(
        example_id=table["example_id"][row].as_py(),
        part=None if given.parts is None else given.parts[unit],
        text=_text(split, table, row),
        gold=given.gold[unit],
        answers={given.names[int(ids[i])]: int(counts[i]) for i in order.tolist()},
        n_right=int(given.right[unit].sum()),
        disagreement=disagreement,
    )


def _of_numbers(evidence: Evidence, arm: str, tables: Sequence[pa.Table]) -> Agreement:
    answers = np.stack([vector(table, "predicted").astype(np.float64) for table in tables], axis=1)
    gold, sds = vector(tables[0], "label"), answers.std(axis=1, ddof=1)
    shown = np.argsort(-sds, kind="stable")[:N_SHOWN].tolist()
    mean_sd, split = float(sds.mean()), _prepared(evidence)
    return Agreement(
        arm=arm,
        split=evidence.split,
        checkpoint=evidence.checkpoint,
        kind="regression",
        unit="example",
        n_seeds=len(tables),
        n_units=len(answers),
        mean_sd=mean_sd,
        most_flipping=tuple(
            FlippingExample(
                example_id=tables[0]["example_id"][row].as_py(),
                text=_text(split, tables[0], row),
                gold=f"{float(gold[row]):g}",
                answers={name: float(getattr(answers[row], name)()) for name in ("mean", "min", "max")} | {"sd": float(sds[row])},
                disagreement=float(sds[row]),
            )
            for row in shown
            if sds[row] > 0
        ),
        sentence=f"the answers of the {len(tables)} seeds of {arm} to one example have an sd of {mean_sd:.3g} on average "
        f"({evidence.split}), in the unit of the labels",
    )


def _text(split: PreparedSplit | None, table: pa.Table, row: int) -> str | None:
    """The beginning of an example's text, where the prepared data still hold that very example at its place."""
    if split is None or row >= split.n or split.table["example_id"][row].as_py() != table["example_id"][row].as_py():
        return None
    texts = split.texts(row)
    return shorten(" ‖ ".join(texts), TEXT_LENGTH) if texts else None


def _prepared(evidence: Evidence) -> PreparedSplit | None:
    try:
        return open_split(evidence.card.directory, evidence.split)
    except (OSError, pa.ArrowInvalid):
        return None
