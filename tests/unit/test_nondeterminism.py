"""Repeats of the very same run: they have an identity of their own, enter no mean, and say what is left without seeds."""

from __future__ import annotations

import pytest

from bertft_core.config.seed_settings import SeedsConfig
from bertft_core.evaluation.summarize import summarize
from bertft_core.planning.run_specs import plan_repeats, plan_runs
from bertft_core.storage.study_dir import StudyDir
from bertft_core.storage.study_results import StudyResults
from tests.helpers.small_records import make_card, make_record, make_study


@pytest.fixture
def planned(tmp_path):
    study = make_study(arms={"one": {}, "two": {"learning_rate": 1e-3}}, seeds={"n": 3, "repeats": 2})
    card = make_card(tmp_path)
    return study, card, plan_runs(study, card, {}), plan_repeats(study, card, {})


def test_the_first_seed_of_every_arm_is_repeated(planned):
    _, _, runs, repeats = planned
    assert [spec.title for spec in repeats] == [
        "one · seed 000 · repeat 1",
        "one · seed 000 · repeat 2",
        "two · seed 000 · repeat 1",
        "two · seed 000 · repeat 2",
    ]
    assert {spec.seeds for spec in repeats} == {runs[0].seeds}
    assert len({spec.digest for spec in [*runs, *repeats]}) == 6 + 4
    assert {spec.stage for spec in repeats} == {"repeats"}
    assert not any(spec.keep_model for spec in repeats)


def test_a_study_without_repeats_plans_none_and_its_runs_keep_their_digests(planned):
    study, card, runs, _ = planned
    without = study.model_copy(update={"seeds": SeedsConfig(n=3)})
    assert plan_repeats(without, card, {}) == []
    assert [spec.digest for spec in plan_runs(without, card, {})] == [spec.digest for spec in runs]


def summary_of(planned, study_dir, accuracies, weights):
    study, card, runs, repeats = planned
    records = {spec.digest: make_record(spec, card, study_dir) for spec in runs}
    for spec, accuracy, sha256 in zip(repeats[:2], accuracies, weights, strict=True):
        record = make_record(spec, card, study_dir, accuracy=accuracy)
        records[spec.digest] = record.model_copy(update={"weights_sha256": sha256 or records[runs[0].digest].weights_sha256})
    return summarize(StudyResults(study, card, study_dir, records, runs))


def test_equal_repeats_have_no_floor_and_enter_no_mean(planned, tmp_path):
    summary = summary_of(planned, StudyDir(tmp_path, "small"), [0.8, 0.8], [None, None])
    (floor,) = summary.floors
    assert (floor.arm, floor.n, floor.bitwise) == ("one", 3, True)
    assert [arm.n_planned for arm in summary.arms] == [3, 3]


def test_different_repeats_say_by_how_much(planned, tmp_path):
    (floor,) = summary_of(planned, StudyDir(tmp_path, "small"), [0.8, 0.6], [None, "f" * 64]).floors
    assert not floor.bitwise
    assert floor.largest_difference == pytest.approx(0.2)


def test_a_repeat_that_ended_without_weights_is_no_other_result(planned, tmp_path):
    study, card, runs, repeats = planned
    study_dir = StudyDir(tmp_path, "small")
    records = {spec.digest: make_record(spec, card, study_dir) for spec in runs}
    for spec, lost in zip(repeats[:2], [{}, {"weights_sha256": None, "status": "diverged"}], strict=True):
        same = {"weights_sha256": records[runs[0].digest].weights_sha256}
        records[spec.digest] = make_record(spec, card, study_dir).model_copy(update=same | lost)
    (floor,) = summarize(StudyResults(study, card, study_dir, records, runs)).floors
    assert (floor.n, floor.n_without_weights, floor.bitwise) == (2, 1, True)
    del records[repeats[0].digest]
    (floor,) = summarize(StudyResults(study, card, study_dir, records, runs)).floors
    assert (floor.n, floor.bitwise) == (1, False)
