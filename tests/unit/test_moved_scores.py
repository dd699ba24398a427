"""Scores of a study run again: an alarm only where the seeds do not explain the change, and in the wrong direction."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_ind

from bertft_core.evaluation.moved_scores import moved_scores
from bertft_core.records.event_records import StudyRegressed
from bertft_core.records.summary import ArmSummary, SeedScore, StudySummary
from bertft_core.report.prose import moved_scores_text

DIRECTIONS = {"accuracy": "maximize", "log_loss": "minimize"}


def summary(**arms: dict[str, list[float]]) -> StudySummary:
    """Arm → metric → a score for each seed, on best/test."""
    return StudySummary(
        study="small",
        study_digest="d" * 64,
        data_fingerprint="f" * 64,
        headline_split="test",
        headline_checkpoint="best",
        headline_metric="accuracy",
        arms=tuple(arm(name, scores) for name, scores in arms.items()),
    )


def arm(name: str, scores: dict[str, list[float]]) -> ArmSummary:
    n = len(next(iter(scores.values())))
    seeds = [
        SeedScore(
            index=i,
            status="ok",
            run_digest=f"{i:064}",
            weights_sha256=None,
            init_seed=i,
            order_seed=i,
            dropout_seed=i,
            best_step=1,
            scores={f"best/test/{metric}": values[i] for metric, values in scores.items()},
        )
        for i in range(n)
    ]
    return ArmSummary(arm=name, n_planned=n, counts={}, metrics=(), seeds=tuple(seeds))


BEFORE = [0.80, 0.82, 0.79, 0.81, 0.80]


def test_the_same_bits_move_nothing_and_small_changes_are_explained_by_the_seeds():
    for after in (BEFORE, [value - 0.005 for value in BEFORE]):
        (moved,) = moved_scores(summary(full={"accuracy": BEFORE}), summary(full={"accuracy": after}), {"accuracy": "maximize"})
        assert not moved.is_moved
        assert not moved.is_worse
        assert moved.p == pytest.approx(ttest_ind(after, BEFORE, equal_var=False).pvalue)
    assert moved_scores_text.sentence([moved]) == "none of 1 score moved by more than the seeds explain"


def test_a_fall_beyond_the_seeds_is_worse_and_a_rise_is_not_and_so_for_a_loss_the_other_way_round():
    low, high = [value - 0.1 for value in BEFORE], [value + 0.1 for value in BEFORE]
    before = summary(full={"accuracy": BEFORE, "log_loss": BEFORE})
    worse = moved_scores(before, summary(full={"accuracy": low, "log_loss": high}), DIRECTIONS)
    better = moved_scores(before, summary(full={"accuracy": high, "log_loss": low}), DIRECTIONS)
    assert [each.is_worse for each in worse] == [True, True]
    assert [(each.is_moved, each.is_worse) for each in better] == [(True, False)] * 2
    assert worse[0].difference == pytest.approx(-0.1)
    sentence = moved_scores_text.sentence(worse)
    assert sentence.startswith("2 of 2 scores worse by more than the seeds explain: accuracy of full (−0.100, p < 0.001)")
    assert "better by more" in moved_scores_text.sentence(better)
    assert moved_scores_text.rows(worse)[1][-1] == "worse"


def test_many_scores_are_corrected_by_holm():
    rng = np.random.default_rng(0)
    arms = {f"arm{i}": {"accuracy": list(rng.normal(0.8, 0.01, 5))} for i in range(40)}
    again = {name: {"accuracy": list(rng.normal(0.8, 0.01, 5))} for name in arms}
    moved = moved_scores(summary(**arms), summary(**again), {"accuracy": "maximize"})
    raw = [ttest_ind(again[m.arm]["accuracy"], arms[m.arm]["accuracy"], equal_var=False).pvalue for m in moved]
    assert min(raw) < 0.05, "one of so many would be an alarm by itself"
    assert not any(each.is_moved for each in moved)


def test_scores_without_spread_are_moved_when_they_differ():
    same, other = summary(full={"accuracy": [0.5, 0.5]}), summary(full={"accuracy": [0.4, 0.4]})
    assert not moved_scores(same, same, {"accuracy": "maximize"})[0].is_moved
    (moved,) = moved_scores(same, other, {"accuracy": "maximize"})
    assert (moved.p, moved.is_worse) == (None, True)
    one = moved_scores(summary(full={"accuracy": [0.5]}), summary(full={"accuracy": [0.5]}), {"accuracy": "maximize"})
    assert one[0].sd_before is None


def test_arms_and_metrics_that_only_one_of_them_has_are_left_out():
    before, after = summary(full={"accuracy": BEFORE}), summary(full={"log_loss": BEFORE}, new={"accuracy": BEFORE})
    assert moved_scores(before, after, DIRECTIONS) == []
    assert moved_scores_text.sentence([]) == "there is no score to compare"


def test_the_event_holds_the_scores_and_nothing_of_this_machine():
    moved = moved_scores(
        summary(full={"accuracy": BEFORE}), summary(full={"accuracy": [0.1, 0.2, 0.1, 0.2, 0.1]}), {"accuracy": "maximize"}
    )
    event = StudyRegressed(
        study="small-again",
        study_digest="d" * 64,
        data_fingerprint="f" * 64,
        tracking_uri="http://lab:5000",
        mlflow_run_id="r",
        reference="small",
        moved=tuple(moved),
    )
    assert StudyRegressed.model_validate_json(event.model_dump_json()) == event
