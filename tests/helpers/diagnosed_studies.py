"""Studies for the checks of `bertft diagnose`: nothing is wrong with one, but for what is changed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from bertft_core.config.base import digest_of
from bertft_core.evaluation.comparison.compare_studies import compare_studies
from bertft_core.evaluation.comparison.request import ComparisonRequest
from bertft_core.evaluation.summarize import summarize
from bertft_core.planning.run_specs import plan_runs
from bertft_core.records import DataFinding, Evaluation
from bertft_core.storage.study_dir import StudyDir
from bertft_core.storage.study_results import StudyResults
from tests.helpers.small_records import make_card, make_record, make_study

GOOD = {"features": [0.6, 0.61, 0.62, 0.6, 0.61], "full": [0.8, 0.81, 0.82, 0.8, 0.81]}
ARMS = {"features": {"strategies": [{"kind": "feature_extraction"}], "learning_rate": 1e-3}, "full": {"learning_rate": 1e-4}}
LARGE = {"train": 2000, "validation": 1000, "test": 1000}
SCORES = [0.7, 0.79, 0.8, 0.801, 0.802]
"""A run that has done learning."""


BUILT: dict[str, StudyResults] = {}
"""Studies that several tests look at, by what was asked for."""


def whole(tmp_path, *, curve=SCORES, losses=None, run=None, **how) -> StudyResults:
    """A study in which nothing is wrong, but for what is changed. `run` replaces fields of every record."""
    key = digest_of(repr(sorted(how.items())))
    if key not in BUILT:
        BUILT[key] = build(tmp_path.parent / f"diagnosis-{key[:12]}", **how)
    validated = tuple(
        Evaluation(step=40 * (i + 1), epoch=i + 1.0, metrics={"accuracy": score, "log_loss": loss})
        for i, (score, loss) in enumerate(zip(curve, losses or [0.5] * len(curve), strict=True))
    )
    n_steps, best = 40 * len(curve), max(range(len(curve)), key=lambda i: curve[i])
    ended = {"evaluations": validated, "n_steps": n_steps, "planned_steps": n_steps, "best_step": 40 * (best + 1)}
    results = BUILT[key]
    records = {digest: record.model_copy(update=ended | (run or {})) for digest, record in results.records.items()}
    return replace(results, records=records)


def build(directory, *, accuracies=GOOD, statuses=(), sizes=LARGE, sweeps=None, **study) -> StudyResults:
    """Records, predictions and summary of a study; other keywords replace its sections."""
    asked = make_study(**{"arms": ARMS, "seeds": {"n": len(accuracies["full"])}} | study)
    card = make_card(directory, splits=sizes).model_copy(update={"findings": ()})
    home = StudyDir(directory, asked.name)
    (directory / "encoder").mkdir(parents=True)
    (directory / "encoder" / "config.json").write_text(json.dumps({"hidden_size": 384, "num_hidden_layers": 6}))
    planned = plan_runs(asked, card, {arm: sweep.chosen for arm, sweep in (sweeps or {}).items()})
    records = {}
    for spec in planned:
        status = dict(statuses).get((spec.arm, spec.index), "ok")
        records[spec.digest] = make_record(spec, card, home, status=status, accuracy=accuracies[spec.arm][spec.index])
        write_losses(home.run_dir(spec.digest), [0.3] * 50)
    results = StudyResults(asked, card, home, records, planned, sweeps or {})
    results = results.with_summary(summarize(results))
    if len(results.summary.arms) < 2:
        return results
    compared = compare_studies([results], ComparisonRequest(n_resamples=500))  # no check is about the number of resamples
    return results.with_summary(results.summary.model_copy(update={"comparison": compared}))


def write_losses(run_dir: Path, losses: list[float]) -> None:
    run_dir.mkdir(parents=True, exist_ok=True)
    events = [{"kind": "step", "step": i, "loss": loss} for i, loss in enumerate(losses)]
    (run_dir / "curves.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))


def with_card(results: StudyResults, split: str = "train", findings: tuple[DataFinding, ...] = (), **changes) -> StudyResults:
    card = results.card
    splits = card.splits | {split: card.splits[split].model_copy(update=changes)}
    return replace(results, card=card.model_copy(update={"splits": splits, "findings": findings}))


def with_arm(tmp_path, settings: dict, split: str = "train", findings: tuple[DataFinding, ...] = (), **changes) -> StudyResults:
    """A study with a third arm `own` of these settings, whose own card differs in one split and has these findings."""
    results = whole(tmp_path, arms=ARMS | {"own": settings}, accuracies=GOOD | {"own": GOOD["full"]})
    own = with_card(results, split, findings, **changes).card
    digests = {name: each.model_copy(update={"sha256": "c" * 64}) for name, each in own.splits.items()}
    max_length = results.study.of_arm("own").data.max_length
    own = own.model_copy(update={"fingerprint": "b" * 64, "splits": digests, "max_length": max_length})
    return replace(results, card=results.card.model_copy(update={"arms": {"own": own}}))
