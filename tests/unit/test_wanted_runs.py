"""Which runs a study wants is read from its records: more until an interval is narrow, the best of many, whatever was killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from bertft_core.config import StudyConfig, UserError
from bertft_core.evaluation.summarize import summarize
from bertft_core.planning.adaptive import interim_analyses_of, interval_level
from bertft_core.planning.plan_checks import refuse_blind_cuts
from bertft_core.planning.run_specs import plan_runs
from bertft_core.planning.wanted_runs import WantedRuns, planned_runs
from bertft_core.records import DatasetCard, RunRecord
from bertft_core.records.selection import Starter, answers, cut_step, goes_on, kept, ranked, starter
from bertft_core.storage.study_dir import StudyDir
from bertft_core.storage.study_results import StudyResults
from tasks.run_tasks import failed_record
from tests.helpers.small_records import make_card, make_record, make_study

MANY = {"start": 3, "stop_at": 0.4, "keep": 1}
UNTIL = {"n": 3, "until": {"half_width": 0.1, "batch": 2}, "max": 6}


# Rules


def test_the_cut_is_a_step_and_the_last_one_is_no_cut():
    assert [cut_step(f, n) for f, n in ((0.25, 100), (0.3, 10), (0.34, 6), (0.01, 10), (1 / 3, 15))] == [25, 3, 3, 1, 5]


def test_the_best_are_kept_and_of_equals_the_first():
    starters = [Starter(0, "a", 0.7), Starter(1, "b", None), Starter(2, "c", 0.9), Starter(3, "d", 0.7)]
    assert [s.seed_index for s in ranked(starters, "maximize")] == [2, 0, 3, 1]
    assert [s.seed_index for s in ranked(starters, "minimize")] == [0, 3, 2, 1]
    assert [s.seed_index for s in kept(starters, 2, "maximize")] == [2, 0]
    assert [s.seed_index for s in kept(starters, 4, "maximize")] == [2, 0, 3]


def made(tmp_path: Path, seeds: dict) -> tuple[StudyConfig, DatasetCard, StudyDir]:
    return (
        make_study(arms={"full": {}, "wide": {"batch_size": 32}}, seeds=seeds),
        make_card(tmp_path),
        StudyDir(tmp_path, "small"),
    )


def test_where_a_run_stood_at_the_cut_does_not_change_when_it_goes_on(tmp_path):
    study, card, study_dir = made(tmp_path, MANY)
    record = make_record(plan_runs(study, card, {})[0], card, study_dir)  # validated after steps 5 and 10 of 10
    first, second = (evaluation.metrics["accuracy"] for evaluation in record.evaluations)
    assert second > first
    assert starter(record, 0.5, "maximize").score == first
    assert starter(record, 1.0, "maximize").score == second
    assert starter(record, 0.4, "maximize").score is None  # no validation yet
    no_value = [record.evaluations[0].model_copy(update={"metrics": {}}), *record.evaluations[1:]]
    assert starter(record.model_copy(update={"evaluations": no_value}), 1.0, "maximize").score == second
    assert starter(record.model_copy(update={"evaluations": no_value}), 0.5, "maximize").score is None
    for status, n_steps, score in (
        ("diverged", 5, None),
        ("diverged", 6, first),
        ("failed", 4, None),
        ("failed", 5, first),
        ("pruned", 5, first),
    ):
        assert starter(record.model_copy(update={"status": status, "n_steps": n_steps}), 0.5, "maximize").score == score


def test_a_seed_that_fails_after_its_cut_is_not_replaced_by_the_next_best(tmp_path):
    study, card, study_dir = made(tmp_path, {"start": 3, "stop_at": 0.5, "keep": 1})
    specs = plan_runs(study, card, {})
    records = {spec.digest: make_record(spec, card, study_dir, status="pruned") for spec in specs}

    def kept_of(arm: str) -> list[str]:
        planned = planned_runs(study, card, {}, records)
        return [spec.digest for spec in planned if spec.arm == arm and spec.kept_of is not None]

    (best,) = kept_of("full")
    for _ in range(2):  # a later command tries it again
        records[best] = failed_record(records[best].spec, study_dir.run_dir(best), RuntimeError("no memory"), attempts=2)
        assert kept_of("full") == [best]
        assert (records[best].status, records[best].attempts) == ("failed", 2)


def test_a_stop_answers_for_its_cut_and_for_earlier_ones(tmp_path):
    study, card, study_dir = made(tmp_path, MANY)
    spec = plan_runs(study, card, {})[0]
    stopped = make_record(spec, card, study_dir, status="pruned")
    to_the_end = spec.model_copy(update={"stop_at": None})
    assert answers(stopped, spec)
    assert answers(stopped, spec.model_copy(update={"stop_at": 0.3}))
    assert not answers(stopped, spec.model_copy(update={"stop_at": 0.5}))
    assert not answers(stopped, to_the_end)
    assert (goes_on(stopped, spec), goes_on(stopped, to_the_end)) == (False, True)
    behind = make_record(to_the_end.model_copy(update={"prune_below": {0: 0.5}}), card, study_dir, status="pruned")
    assert not goes_on(behind, to_the_end)
    assert not answers(behind, to_the_end)
    assert answers(make_record(to_the_end, card, study_dir, status="diverged"), spec)


@pytest.mark.parametrize(("stop_at", "every"), [(0.3, 1.0), (0.95, 0.2)])
def test_a_blind_cut_is_refused_before_anything_is_trained(tmp_path, stop_at, every):
    study = make_study(
        arms={"full": {}}, seeds=MANY | {"stop_at": stop_at}, training={"epochs": 2, "evaluate_every_epochs": every}
    )
    with pytest.raises(UserError, match="before their first validation" if stop_at < 0.5 else "not stop before their end"):
        refuse_blind_cuts(study, make_card(tmp_path), {})
    refuse_blind_cuts(
        study.model_copy(update={"seeds": study.seeds.model_copy(update={"stop_at": 0.6})}), make_card(tmp_path), {}
    )


# Until


def test_seeds_are_added_to_every_arm_until_all_are_narrow(tmp_path):
    study, card, study_dir = made(tmp_path, UNTIL)
    assert study.seeds.interim_sizes == (3, 5, 6)
    records: dict[str, RunRecord] = {}
    numbers = []
    while todo := WantedRuns(planned_runs(study, card, {}, records), []).unanswered(records):
        numbers.append(len(todo))
        for spec in todo:  # the arm 'wide' calms down after three seeds
            accuracy = 0.5 + 0.1 * (spec.index % 3) if spec.arm == "wide" and spec.index < 3 else 0.6 + 0.025 * (spec.index % 2)
            records[spec.digest] = make_record(spec, card, study_dir, accuracy=accuracy)
    assert numbers[:2] == [6, 4]
    analyses = interim_analyses_of(study, card, {}, records)
    planned = planned_runs(study, card, {}, records)
    assert [one.is_enough for one in analyses[:-1]] == [False] * (len(analyses) - 1)
    assert {arm: sum(spec.arm == arm for spec in planned) for arm in study.arms} == dict.fromkeys(study.arms, analyses[-1].n)
    summary = summarize(StudyResults(study, card, study_dir, records, planned))
    shown = summary.adaptive
    assert shown is not None
    assert [one.n for one in shown.interim_analyses] == [one.n for one in analyses]
    assert shown.ended == ("narrow enough" if analyses[-1].is_enough else "maximum")
    assert shown.level == interval_level(study) > 0.95
    row = next(m for m in summary.arms[0].metrics if (m.checkpoint, m.split, m.metric) == ("best", "validation", "accuracy"))
    interval = next(i for i in shown.intervals if (i.arm, i.split) == ("full", "validation"))
    assert (row.t_low, row.t_high, row.n) == pytest.approx((interval.low, interval.high, interval.n))
    assert row.t_high - row.mean == pytest.approx(analyses[-1].half_widths["full"])


def test_every_killed_adaptive_study_decides_as_one_that_was_not(tmp_path):
    """Whatever records are there, the runs that are wanted are those of the whole study, in its order."""
    study, card, study_dir = made(tmp_path, UNTIL)
    every = plan_runs(study, card, {}, 6)
    records = {spec.digest: make_record(spec, card, study_dir, accuracy=0.5 + 0.1 * (spec.index % 4)) for spec in every}
    whole = planned_runs(study, card, {}, records)
    for n in range(len(every) + 1):
        some = {spec.digest: records[spec.digest] for spec in every[:n]}
        wanted = planned_runs(study, card, {}, some)
        assert wanted == whole[: len(wanted)]
        assert len(wanted) >= 6


def test_more_seeds_and_looks_leave_the_first_runs_as_they_are(tmp_path):
    fixed, card, _ = made(tmp_path, {"n": 3})
    for seeds in (UNTIL, {"start": 3, "stop_at": 0.6, "keep": 1}):
        study, _, _ = made(tmp_path, seeds)
        assert [s.digest for s in planned_runs(study, card, {}, {})] == [s.digest for s in plan_runs(fixed, card, {})]
