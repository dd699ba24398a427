"""The ensemble of an arm in the summary, the table, the report and MLflow's metrics."""

import numpy as np
import pytest

from bertft_core.config.head_settings import MaskedLMHead, QuestionAnsweringHead
from bertft_core.evaluation.ensemble_scores import ensemble_of
from bertft_core.evaluation.run_scores import CHECKPOINTS, scores_of
from bertft_core.evaluation.summarize import summarize
from bertft_core.planning.run_specs import plan_runs
from bertft_core.records import ArmSummary, RunSpec, SeedScore, StudySummary
from bertft_core.records.not_computed import NotComputed
from bertft_core.report.prose import ensembles_text, grammar
from bertft_core.report.study_report import write_report
from bertft_core.report.text_table import result_table
from bertft_core.storage.predictions import write_predictions
from bertft_core.storage.study_dir import StudyDir, checked_record
from bertft_core.storage.study_results import StudyResults
from tasks.tracking.mlflow_content import summary_metrics
from tests.helpers.ensemble_tables import asked
from tests.helpers.report_pages import Page
from tests.helpers.small_records import classified, make_card, make_record, make_spec, make_study

KEY = "best/test/accuracy"


class Whole:
    """Two arms with five seeds each, every one of them at about 0.8; `statuses` of the seeds of `full` may say otherwise."""

    def __init__(self, tmp_path, statuses=(), **changes):
        self.study = make_study(ensemble=True, seeds={"n": 5}, arms={"features": {}, "full": {"learning_rate": 1e-4}}, **changes)
        self.card, self.dir = make_card(tmp_path), StudyDir(tmp_path, "small")
        self.planned = plan_runs(self.study, self.card, {})
        given = dict(statuses)
        self.records = {
            spec.digest: make_record(
                spec, self.card, self.dir, status=given.get(spec.index, "ok") if spec.arm == "full" else "ok"
            )
            for spec in self.planned
        }

    def summary(self) -> StudySummary:
        return summarize(StudyResults(self.study, self.card, self.dir, self.records, self.planned))

    def path(self, index, checkpoint="best", split="test"):
        spec = next(spec for spec in self.planned if (spec.arm, spec.index) == ("full", index))
        return self.dir.run_dir(spec.digest) / "predictions" / f"{checkpoint}-{split}.parquet"


def full(summary) -> ArmSummary:
    return summary.arms[1]


def test_only_a_study_that_asks_has_ensembles_and_asking_changes_no_identity(tmp_path):
    whole = Whole(tmp_path)
    plain = make_study(seeds={"n": 5}, arms={"features": {}, "full": {"learning_rate": 1e-4}})
    assert plain.digest == whole.study.digest
    without = summarize(StudyResults(plain, whole.card, whole.dir, whole.records, whole.planned))
    assert [arm.ensemble for arm in without.arms] == [None, None]
    together = whole.summary()
    bare = [arm.model_copy(update={"ensemble": None}) for arm in together.arms]
    assert together.model_copy(update={"arms": tuple(bare)}) == without


def test_the_ensemble_has_every_score_that_a_seed_has(tmp_path):
    arm = full(Whole(tmp_path).summary())
    assert arm.ensemble.seeds == (0, 1, 2, 3, 4)
    assert arm.ensemble.scores.keys() == arm.seeds[0].scores.keys()
    assert arm.ensemble.scores["best/validation/accuracy"] >= 0.8, "seeds that err on different examples outvote each other"


def test_the_mean_of_the_seeds_is_next_to_the_score(tmp_path):
    whole = Whole(tmp_path)
    logits = np.array([[0.0, 3.0], [3.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    for index, wrong in enumerate((0, 1, 2, 3, None)):
        answers = logits.copy()
        if wrong is not None:
            answers[wrong] = answers[wrong][::-1] / 10
        write_predictions(whole.path(index), classified(list("abcd"), [1, 0, 1, 0], answers))
    arm = full(whole.summary())
    assert arm.ensemble.scores[KEY] == 1.0
    assert arm.ensemble.mean_of_seeds == pytest.approx(0.8)


def test_collapsed_seeds_are_in_it_and_failed_or_diverged_ones_are_not(tmp_path):
    whole = Whole(tmp_path, statuses={0: "collapsed", 2: "diverged", 4: "failed"})
    ensemble = full(whole.summary()).ensemble
    assert ensemble.seeds == (0, 1, 3)
    assert (ensemble.n_unreadable, ensemble.refused) == (0, None)


def test_a_seed_whose_predictions_are_gone_is_not_in_it_and_is_counted(tmp_path):
    whole = Whole(tmp_path)
    whole.path(1, "final").unlink()
    arm = full(whole.summary())
    assert arm.ensemble.seeds == (0, 2, 3, 4)
    assert arm.ensemble.n_unreadable == 1
    mean = np.mean([arm.seeds[i].scores[KEY] for i in (0, 2, 3, 4)])
    assert arm.ensemble.mean_of_seeds == pytest.approx(mean), "the mean is of the same seeds"


@pytest.mark.parametrize(
    ("statuses", "n"),
    [({1: "failed", 2: "failed", 3: "failed", 4: "failed"}, 1), (dict.fromkeys(range(5), "failed"), 0)],
)
def test_it_takes_two_seeds(tmp_path, statuses, n):
    whole = Whole(tmp_path, statuses=statuses)
    ensemble = full(whole.summary()).ensemble
    assert ensemble.scores == {}
    assert ensemble.refused == NotComputed(reason="too few scores", n=n, needed=2, detail="seeds")
    assert "full ensemble" not in result_table(whole.summary())


def test_masked_language_models_have_no_ensemble_and_the_reason_is_given(tmp_path):
    results, arm = of_head(tmp_path, MaskedLMHead())
    found = ensemble_of(results, arm, "best/test/loss")
    assert (found.scores, found.refused) == ({}, NotComputed(reason="no stored predictions"))


def of_head(folder, head):
    """Two seeds of one arm with a head of another kind, whose predictions are in `0/` and `1/` of the study's folder."""
    study, card, study_dir = make_study(), make_card(folder), StudyDir(folder, "small")
    records, seeds = {}, []
    for i in range(2):
        record = make_record(make_spec(study, card, index=i), card, study_dir)
        spec = RunSpec.model_validate(record.spec.model_dump() | {"head": head, "labels": ()})
        files = {split: f"{split}.parquet" for split in ("validation", "test")}
        record = record.model_copy(update={"spec": spec, "digest": spec.digest, "predictions": dict.fromkeys(CHECKPOINTS, files)})
        records[record.digest] = record
        seed = {"index": i, "status": "ok", "run_digest": record.digest, "weights_sha256": None, "best_step": None}
        seeds.append(SeedScore(**seed, init_seed=0, order_seed=0, dropout_seed=0, scores={}))
    arm = ArmSummary(arm="full", n_planned=2, counts={"ok": 2}, metrics=(), seeds=tuple(seeds))
    planned = [record.spec for record in records.values()]
    return StudyResults(study, card, study_dir, records, planned), arm


def test_the_null_threshold_of_the_ensemble_is_tuned_on_validation_and_frozen_for_test(tmp_path):
    """As worked out in test_ensembles: a threshold of 1.25, with which both test questions are right."""
    ann = [[("Ann", 3, 0.0)], [("Ann", 3, 0.0)]]
    results, arm = of_head(tmp_path, QuestionAnsweringHead())
    scores = []
    for record, nulls in zip(results.runs_of(arm.arm), (([1.0, 3.0], [2.0, 1.0]), ([0.0, 1.0], [0.0, 1.6])), strict=True):
        folder = results.run_dir_of(record.digest)
        for split, of_split in zip(("validation", "test"), nulls, strict=True):
            write_predictions(folder / f"{split}.parquet", asked([["Ann"], []], ann, of_split))
        scores.append(scores_of(results, record))
    seeds = [seed.model_copy(update={"scores": found}) for seed, found in zip(arm.seeds, scores, strict=True)]
    found = ensemble_of(results, arm.model_copy(update={"seeds": tuple(seeds)}), "best/test/f1")
    assert found.scores["best/test/null_threshold"] == pytest.approx(1.25)
    assert (found.scores["best/test/f1"], found.scores["final/validation/f1"]) == (1.0, 1.0)
    assert found.mean_of_seeds == pytest.approx(0.75)


def test_it_stands_in_the_table_the_report_the_json_and_mlflow(tmp_path):
    whole = Whole(tmp_path)
    summary = whole.summary()
    table = result_table(summary)
    together = full(summary).ensemble.scores[KEY]
    row = next(line for line in table.splitlines() if line.startswith("full ensemble"))
    assert row.split() == ["full", "ensemble", "5/5", f"{together:.3f}", "–", "–", "–", "–"]
    sentence = ensembles_text.ensemble(full(summary), summary)
    assert grammar.as_sentence(sentence) in table.splitlines()
    path = write_report(StudyResults(whole.study, whole.card, whole.dir, whole.records, whole.planned, evaluated=summary))
    page = path.read_text(encoding="utf-8")
    n_scores = sum(len(arm.ensemble.scores) for arm in summary.arms)
    assert page.count("one score for all seeds together") == n_scores + 2 * 3, "every metric, and the headline on three splits"
    assert grammar.as_sentence(sentence) in Page(page).words
    written = checked_record(path.parent / "summary.json", StudySummary)
    assert written.arms[1].ensemble == full(summary).ensemble
    logged = summary_metrics(summary)
    assert logged["summary/full/ensemble/best/test/accuracy"] == together
    assert all(name.startswith("summary/") for name in logged)
