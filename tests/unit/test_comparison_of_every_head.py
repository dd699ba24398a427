"""Arms of every kind of head are compared, and the means are those of the scores that the study itself computes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from bertft_core.evaluation.comparison.compare_studies import compare_studies
from bertft_core.evaluation.comparison.request import ComparisonRequest
from bertft_core.evaluation.summarize import summarize
from bertft_core.metrics import METRICS
from bertft_core.metrics.prediction_columns import ragged
from bertft_core.planning.run_specs import plan_runs
from bertft_core.records import RunRecord
from bertft_core.records.list_columns import ragged_column
from bertft_core.report.prose import comparison_notes
from bertft_core.storage.predictions import write_predictions
from bertft_core.storage.study_dir import StudyDir
from bertft_core.storage.study_results import StudyResults
from tests.helpers.prediction_tables import EVERY_KIND, Predicted
from tests.helpers.small_records import make_card, make_study

N = 60
BUNDLED = {
    "classification": "reviews",
    "multi_label": "topics",
    "regression": "ratings",
    "token_classification": "entities",
    "question_answering": "questions",
    "masked_lm": "manuals",
}


def results_of(home: Path, case: Predicted) -> StudyResults:
    """Two arms over three seeds, with made-up predictions of the same examples."""
    arms = {"a": {"learning_rate": 1e-5}, "b": {"learning_rate": 2e-5}}
    data = {"source": "bundled", "name": BUNDLED[case.kind]}
    study = make_study(
        head={"kind": case.kind},
        metric="accuracy" if case.labels[:1] == ("NOUN",) else None,
        data=data,
        arms=arms,
        seeds={"n": 3},
    )
    card = make_card(home, splits={"train": N, "validation": N, "test": N}).model_copy(update={"labels": case.labels})
    planned, study_dir, records = plan_runs(study, card, {}), StudyDir(home, study.name), {}
    for i, spec in enumerate(planned):
        files = {}
        for split in spec.evaluated_splits:
            table = _answers(case, np.random.default_rng([i, len(split)]), np.random.default_rng(len(split)))
            files[split] = f"predictions/{split}.parquet"
            write_predictions(study_dir.run_dir(spec.digest) / files[split], table)
        found = {"best": {split: {} for split in files}, "predictions": {"best": files}, "started_at": "", "ended_at": ""}
        records[spec.digest] = RunRecord(spec=spec, digest=spec.digest, status="ok", **found)
    results = StudyResults(study, card, study_dir, records, planned)
    return results.with_summary(summarize(results))


def _answers(case: Predicted, rng: np.random.Generator, of_truth: np.random.Generator) -> pa.Table:
    """A seed's table; all seeds of a split have one truth where what is compared needs it: ranks, and words to agree on."""
    if case.kind not in ("regression", "token_classification"):
        return case.make(rng, N)
    truth = case.make(of_truth, N)
    if case.kind == "regression":
        return case.make(rng, N).set_column(1, "label", truth["label"])
    gold, lengths = ragged(truth, "label")
    answers = np.where(rng.random(len(gold)) < 0.7, gold, rng.integers(0, len(case.labels), len(gold))).astype(np.int32)
    return truth.set_column(2, "predicted", ragged_column(np.split(answers, np.cumsum(lengths)[:-1])))


@pytest.mark.parametrize("case", EVERY_KIND.values(), ids=EVERY_KIND.keys())
def test_every_metric_is_compared_and_the_means_are_those_of_the_study(tmp_path, case):
    results = results_of(tmp_path, case)
    found = compare_studies([results], ComparisonRequest(n_resamples=100))
    assert found.headline_metric == results.study.metric
    seeds = {arm.arm: arm.seeds for arm in results.summary.arms}
    scored = {key.split("/", 2)[2] for key in seeds["a"][0].scores if key.startswith("best/test/")}
    assert {pair.metric for pair in found.pairs} == scored & set(results.study.head.metrics)
    for pair in found.pairs:
        assert pair.mean_arm == pytest.approx(np.mean([seed.scores[pair.key] for seed in seeds["b"]]), rel=1e-9, abs=1e-9)
        assert pair.mean_baseline == pytest.approx(np.mean([seed.scores[pair.key] for seed in seeds["a"]]), rel=1e-9, abs=1e-9)
        seeds_only = pair.metric in METRICS[case.kind].seeds_only
        assert (pair.examples is None) == (pair.both is None) == seeds_only
        assert pair.unit == (None if seeds_only else METRICS[case.kind].unit)
        assert sum((note.kind, note.metric) == ("metric_not_resampled", pair.metric) for note in found.notes) == seeds_only
    headline = found.headline_pairs[0]
    assert (headline.disagreement is None) == (case.kind in ("regression", "masked_lm"))
    if headline.disagreement is not None:
        cells = headline.disagreement
        assert cells.both_right + cells.only_arm + cells.only_baseline + cells.both_wrong == pytest.approx(N)


@pytest.mark.parametrize(("case", "is_refused"), [("masked pieces", True), ("two classes", False)])
def test_scores_per_token_are_not_compared_over_other_tokens(tmp_path, case, is_refused):
    one = results_of(tmp_path, EVERY_KIND[case])
    test = one.card.splits["test"]
    card = one.card.model_copy(update={"splits": one.card.splits | {"test": test.model_copy(update={"mean_length": 99.5})}})
    two = replace(one, card=card, study=one.study.model_copy(update={"name": "two"}))
    found = compare_studies([one, two], ComparisonRequest(n_resamples=100, baseline=f"{one.study.name} · a"))
    reasons = {(refused.reason, refused.arm) for refused in found.refused}
    assert reasons == ({("other_tokens", f"two · {arm}") for arm in "ab"} if is_refused else set())
    said = [comparison_notes.refusal(refused, found) for refused in found.refused]
    assert all("into different tokens" in sentence for sentence in said)
