"""The summary of a study: recomputed, complete, and honest about what is not in a number."""

import numpy as np
import pytest

from bertft_core.evaluation.gain_over_majority import gain_over_majority
from bertft_core.evaluation.run_scores import confusions, majority_scores
from bertft_core.evaluation.summarize import summarize
from bertft_core.planning.run_specs import plan_runs
from bertft_core.records import ArmSummary, SeedScore, StudySummary
from bertft_core.storage.study_dir import StudyDir
from bertft_core.storage.study_results import StudyResults
from tests.helpers.small_records import make_card, make_record, make_study

ACCURACIES = {"features": [0.6, 0.65, 0.55], "full": [0.8, 0.9, 0.85]}


class Whole:
    """A study whose runs all ended, unless `statuses` says otherwise; 'missing' makes no record."""

    def __init__(self, tmp_path, study=None, statuses=None, splits=None):
        self.study = study or make_study()
        self.card = make_card(tmp_path, splits=splits)
        self.dir = StudyDir(tmp_path, self.study.name)
        self.planned = plan_runs(self.study, self.card, {})
        self.records = {}
        for spec in self.planned:
            status = (statuses or {}).get((spec.arm, spec.index), "ok")
            if status != "missing":
                accuracy = 0.5 if status == "collapsed" else ACCURACIES.get(spec.arm, [0.7] * 9)[spec.index]
                error = "loss is NaN" if status == "diverged" else None
                self.records[spec.digest] = make_record(spec, self.card, self.dir, status=status, accuracy=accuracy, error=error)

    def summary(self) -> StudySummary:
        return self.results().summary

    def results(self) -> StudyResults:
        results = StudyResults(self.study, self.card, self.dir, self.records, self.planned)
        return results.with_summary(summarize(results))


def _rows(summary, arm, key="best/test/accuracy"):
    checkpoint, split, metric = key.split("/", 2)
    found = next(a for a in summary.arms if a.arm == arm)
    return [m for m in found.metrics if (m.checkpoint, m.split, m.metric) == (checkpoint, split, metric)]


def test_every_arm_split_checkpoint_and_metric_has_a_row(tmp_path):
    summary = Whole(tmp_path).summary()
    (row,) = _rows(summary, "full")
    assert (row.n, row.mean, row.median, row.min, row.max) == pytest.approx((3, 0.85, 0.85, 0.8, 0.9))
    assert row.sd == pytest.approx(0.05)
    assert row.t_high - row.mean == pytest.approx(4.30265273 * 0.05 / 3**0.5)
    assert row.bootstrap_low == pytest.approx(0.8)
    assert (row.sd_low, row.sd_high) == pytest.approx((0.05 * (2 / 7.3777589) ** 0.5, 0.05 * (2 / 0.0506356) ** 0.5))
    assert (row.sd_unbiased, row.iqm) == pytest.approx((0.05 / 0.8862269, 0.85))
    assert row.quantiles == pytest.approx({"0.05": 0.805, "0.25": 0.825, "0.75": 0.875, "0.95": 0.895})
    for arm in summary.arms:
        keys = {(m.checkpoint, m.split) for m in arm.metrics}
        assert keys == {(c, s) for c in ("best", "final") for s in ("validation", "test", "other_domain")}
        assert len(arm.metrics) == 6 * (8 + 3 * 2)


def test_metrics_come_from_the_stored_predictions_and_not_from_the_record(tmp_path):
    whole = Whole(tmp_path)
    honest = whole.summary()
    for digest, record in whole.records.items():
        wrong = {split: {"accuracy": 0.123} for split in record.best}
        whole.records[digest] = record.model_copy(update={"best": wrong, "final": wrong})
    assert whole.summary() == honest


@pytest.mark.parametrize("damage", ["gone", "torn"])
def test_the_record_stands_in_where_predictions_are_gone(tmp_path, damage):
    whole = Whole(tmp_path)
    before = _rows(whole.summary(), "full")[0].mean
    spec = next(spec for spec in whole.planned if spec.arm == "full")
    path = whole.dir.run_dir(spec.digest) / "predictions" / "best-test.parquet"
    path.unlink() if damage == "gone" else path.write_bytes(b"torn")
    assert _rows(whole.summary(), "full")[0].mean == pytest.approx(before)


def test_runs_that_failed_diverged_or_are_missing_are_counted_and_have_no_scores(tmp_path):
    statuses = {("full", 0): "diverged", ("full", 1): "missing", ("features", 2): "failed"}
    summary = Whole(tmp_path, statuses=statuses).summary()
    features, full = summary.arms
    assert full.counts == {"diverged": 1, "missing": 1, "ok": 1}
    assert features.counts == {"failed": 1, "ok": 2}
    assert [bool(seed.scores) for seed in full.seeds] == [False, False, True]
    assert full.seeds[0].error == "loss is NaN"
    (row,) = _rows(summary, "full")
    assert (row.n, row.sd, row.t_low, row.bootstrap_low) == (1, None, None, None)


def test_collapsed_runs_are_in_the_mean_and_a_second_row_leaves_them_out(tmp_path):
    summary = Whole(tmp_path, statuses={("full", 1): "collapsed"}).summary()
    with_them, without = _rows(summary, "full")
    assert (with_them.collapsed_included, with_them.n) == (True, 3)
    assert with_them.mean == pytest.approx((0.8 + 0.5 + 0.85) / 3)
    assert (without.collapsed_included, without.n) == (False, 2)
    assert without.mean == pytest.approx(0.825)
    assert len(_rows(summary, "features")) == 1


def test_an_arm_with_only_collapsed_runs_has_no_row_without_them(tmp_path):
    summary = Whole(tmp_path, statuses={("full", i): "collapsed" for i in range(3)}).summary()
    assert [row.collapsed_included for row in _rows(summary, "full")] == [True]


def test_runs_that_did_not_learn_are_a_rate_with_its_interval(tmp_path):
    statuses = {("full", 0): "collapsed", ("full", 1): "diverged", ("features", 2): "missing"}
    features, full = Whole(tmp_path, statuses=statuses).summary().arms
    assert (full.collapse_rate.count, full.collapse_rate.of) == (2, 3)
    assert (full.collapse_rate.low, full.collapse_rate.high) == pytest.approx((0.207660, 0.938508), abs=1e-6)
    assert (features.collapse_rate.count, features.collapse_rate.of, features.collapse_rate.low) == (0, 2, 0.0)
    assert [arm.n_censored for arm in (features, full)] == [0, 0]
    gone = Whole(tmp_path / "none", statuses={("full", i): "missing" for i in range(3)}).summary().arms[1]
    assert gone.collapse_rate is None


def test_stopped_runs_are_censored_and_selected_ones_have_no_spread(tmp_path):
    study = make_study(arms={"full": {}}, seeds={"start": 3, "stop_at": 0.5, "keep": 2})
    (arm,) = Whole(tmp_path, study, statuses={("full", 1): "pruned"}).summary().arms
    assert (arm.counts, arm.n_censored, arm.collapse_rate) == ({"ok": 2, "pruned": 1}, 1, None)
    assert {row.n for row in arm.metrics} == {1}  # of the best one alone
    spread = ("sd", "t_low", "bootstrap_high", "sd_low", "sd_unbiased", "iqm")
    assert {getattr(row, name) for row in arm.metrics for name in spread} == {None}


def test_a_summary_of_an_older_version_still_opens(tmp_path):
    values = Whole(tmp_path).summary().model_dump(mode="json")
    new = {"sd_low", "sd_high", "sd_unbiased", "iqm", "quantiles", "collapse_rate", "n_censored", "insights"}

    def older(value):
        if isinstance(value, dict):
            return {name: older(held) for name, held in value.items() if name not in new}
        return [older(held) for held in value] if isinstance(value, list) else value

    opened = StudySummary.model_validate(older(values))
    assert opened.arms[0].metrics[0].iqm is None
    assert opened.arms[0].metrics[0].mean == values["arms"][0]["metrics"][0]["mean"]


def test_the_headline_falls_back_to_validation_without_a_test_set(tmp_path):
    summary = Whole(tmp_path, splits={"train": 40, "validation": 40}).summary()
    assert summary.headline_split == "validation"


def test_two_arms_that_ask_for_the_same_run_share_its_record(tmp_path):
    study = make_study(arms={"a": {}, "b": {}})
    whole = Whole(tmp_path, study)
    assert len(whole.records) == 3
    summary = whole.summary()
    assert [arm.counts for arm in summary.arms] == [{"ok": 3}, {"ok": 3}]
    assert set(confusions(whole.results())) == {"a", "b"}


def test_the_summary_survives_its_own_json(tmp_path):
    summary = Whole(tmp_path, statuses={("full", 1): "collapsed", ("full", 2): "missing"}).summary()
    assert StudySummary.model_validate_json(summary.model_dump_json()) == summary


def test_confusions_add_up_the_seeds_of_the_headline(tmp_path):
    whole = Whole(tmp_path, statuses={("full", 1): "diverged"})
    found = confusions(whole.results())
    names, counts, n_seeds = found["full"]
    assert names == whole.card.labels
    assert n_seeds == 2
    assert counts.sum() == 80
    assert counts.trace() == pytest.approx(40 * 0.8 + 40 * 0.85)
    assert found["features"][2] == 3


def test_the_level_of_the_constant_predictor_comes_from_the_card(tmp_path):
    card = make_card(tmp_path, labels=("a", "b", "c"), splits={"train": 10, "test": 8})
    got = majority_scores(card, "test")
    assert got["accuracy"] == pytest.approx(3 / 8)
    assert got["recall/a"] == 1.0
    assert got["log_loss"] == pytest.approx(-np.log([0.4] * 3 + [0.3] * 5).mean())


def _arm(name, scores, key="best/test/accuracy", **counts):
    seeds = [
        SeedScore(
            index=i,
            status="ok" if score is not None else "failed",
            run_digest="d",
            weights_sha256=None,
            init_seed=0,
            order_seed=0,
            dropout_seed=0,
            best_step=None,
            scores={} if score is None else {key: score},
        )
        for i, score in enumerate(scores)
    ]
    return ArmSummary(arm=name, n_planned=len(scores), counts=counts, metrics=(), seeds=tuple(seeds))


@pytest.mark.parametrize(
    ("scores", "mean", "half_width", "agreeing"),
    [([0.82, 0.81, 0.84], 0.97 / 3, 4.30265273 * np.std([0.82, 0.81, 0.84], ddof=1) / 3**0.5, 3), ([0.9], 0.4, None, 1)],
)
def test_the_gain_over_the_constant_predictor_has_an_interval_from_three_seeds_on(scores, mean, half_width, agreeing):
    got = gain_over_majority(_arm("full", scores), "best/test/accuracy", 0.5)
    assert (got.n, got.mean, got.constant_score, got.n_agreeing) == (len(scores), pytest.approx(mean), 0.5, agreeing)
    ends = (None, None) if half_width is None else pytest.approx((mean - half_width, mean + half_width))
    assert (got.t_low, got.t_high) == ends


def test_seeds_without_a_score_are_not_counted_and_a_loss_below_the_constant_one_is_a_negative_gain():
    got = gain_over_majority(_arm("full", [0.3, None, 0.5, 0.8], "best/test/log_loss"), "best/test/log_loss", 0.7)
    assert (got.n, got.mean, got.n_agreeing) == (3, pytest.approx(-0.5 / 3), 2)
    assert gain_over_majority(_arm("full", [None]), "best/test/accuracy", 0.5) is None


def test_every_arm_of_a_summary_has_its_gain(tmp_path):
    summary = Whole(tmp_path).summary()
    assert [(gain.arm, gain.constant_score) for gain in summary.gains_over_majority] == [("features", 0.5), ("full", 0.5)]
    assert (summary.head, summary.headline_direction) == ("classification", "maximize")
