"""Which models stay: the best validation score of each arm, all, or none."""

from __future__ import annotations

import pytest

from bertft_core.config import StudyConfig
from bertft_core.planning.run_specs import plan_runs
from bertft_core.records import RunRecord, RunSpec
from bertft_core.storage.retention import kept_digests
from bertft_core.storage.study_dir import StudyDir
from tests.helpers.small_records import make_card, make_record, make_study

SCORES = {("features", 0): 0.6, ("features", 1): 0.7, ("features", 2): 0.5, ("full", 0): 0.8, ("full", 1): 0.9, ("full", 2): 0.9}


def trained(folder, **changes) -> tuple[StudyConfig, list[RunSpec], dict[str, RunRecord]]:
    """Study, planned runs, and a record for each with the score above."""
    study, card = make_study(**changes), make_card(folder)
    planned = plan_runs(study, card, {})
    records = {}
    for spec in planned:
        record = make_record(spec, card, StudyDir(folder, study.name))
        records[spec.digest] = record.model_copy(update={"best_score": SCORES[spec.arm, spec.index]})
    return study, planned, records


def kept(study, planned, records) -> set[tuple[str, int]]:
    digests = kept_digests(study, planned, records)
    return {(spec.arm, spec.index) for spec in planned if spec.digest in digests}


def test_of_each_arm_the_best_seed_stays_the_first_one_of_equals(tmp_path):
    assert kept(*trained(tmp_path)) == {("features", 1), ("full", 1)}


def test_of_a_metric_that_should_be_small_the_smallest_stays(tmp_path):
    study, planned, records = trained(tmp_path, metric="log_loss")
    assert study.direction == "minimize"
    assert kept(study, planned, records) == {("features", 2), ("full", 0)}


def test_all_and_none(tmp_path):
    assert kept(*trained(tmp_path, retention={"checkpoints": "all"})) == set(SCORES)
    assert kept(*trained(tmp_path, retention={"checkpoints": "none"})) == set()


@pytest.mark.parametrize("status", ["failed", "diverged"])
def test_a_run_without_a_usable_model_is_passed_over(tmp_path, status):
    study, planned, records = trained(tmp_path)
    best = next(spec.digest for spec in planned if (spec.arm, spec.index) == ("full", 1))
    records[best] = records[best].model_copy(update={"status": status})
    assert ("full", 2) in kept(study, planned, records)


def test_an_arm_without_any_score_keeps_nothing(tmp_path):
    study, planned, records = trained(tmp_path)
    only_full = {digest: record for digest, record in records.items() if record.spec.arm == "full"}
    assert kept(study, planned, only_full) == {("full", 1)}
