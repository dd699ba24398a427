"""Which finished runs `bertft verify` trains again: of every arm as the study's config names it."""

from __future__ import annotations

from bertft_core.planning.run_specs import plan_runs
from bertft_core.storage.study_dir import StudyDir
from bertft_core.storage.study_results import StudyResults
from flows.cli.verify_command import chosen_records, finished_records
from tests.helpers.small_records import make_card, make_record, make_study


def test_arms_that_were_renamed_are_verified_and_a_run_that_two_share_once(tmp_path):
    before, card = make_study(arms={"old": {}, "wide": {"batch_size": 32}}), make_card(tmp_path)
    study_dir = StudyDir(tmp_path, before.name)
    records = {spec.digest: make_record(spec, card, study_dir) for spec in plan_runs(before, card, {})}
    study = make_study(arms={"new": {}, "alike": {}, "old": {"batch_size": 32}})
    planned = plan_runs(study, card, {})
    results = StudyResults(study, card, study_dir, records, planned)
    assert {record.digest for record in finished_records(results)} == records.keys()
    assert len(finished_records(results)) == len(records) == 6
    assert [record.digest for record in chosen_records(results, 1)] == [planned[0].digest, planned[2].digest]
    assert len(chosen_records(results, 99)) == 6
    assert chosen_records(results, None) == []
