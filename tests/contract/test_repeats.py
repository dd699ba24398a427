"""Repeats of a run with every seed the same end with the same bits on a CPU."""

from __future__ import annotations

from bertft_core.evaluation.summarize import summarize
from bertft_core.planning.run_specs import plan_repeats
from bertft_core.storage.study_dir import StudyDir
from bertft_core.storage.study_results import StudyResults
from bertft_core.training.run import train_run
from tests.helpers.tiny_studies import tiny_study


def test_on_a_cpu_repeats_are_bit_for_bit_the_same(tmp_path):
    study, card = tiny_study(tmp_path, arms={"full": {}}, seeds={"n": 1, "repeats": 2})
    specs = plan_repeats(study, card, {}, with_first=True)
    study_dir = StudyDir(tmp_path, study.name)
    records = {spec.digest: train_run(spec, run_dir=study_dir.run_dir(spec.digest)) for spec in specs}
    assert len(records) == 3
    (floor,) = summarize(StudyResults(study, card, study_dir, records, specs[:1])).floors
    assert floor.bitwise
    assert (floor.largest_difference, floor.sd) == (0.0, 0.0)
