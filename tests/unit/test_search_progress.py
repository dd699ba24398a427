"""How far a search is, read from disk: only the runs that this search has asked for count."""

from __future__ import annotations

from pathlib import Path

from bertft_core.library.study_on_disk import StudyOnDisk
from bertft_core.planning.run_specs import plan_trial, search_digest
from bertft_core.records import DatasetCard
from bertft_core.storage.study_dir import StudyDir
from bertft_core.sweep.arm_search import Search
from flows.cli.status_command import _search_words
from tests.helpers.made_up_searches import SEARCH
from tests.helpers.small_records import make_card, make_record, make_study


def began(home: Path, card: DatasetCard, **changes: object) -> StudyOnDisk:
    """A study whose search has asked for four trials and trained the first seed of two of them."""
    study = make_study(arms={"full": {"search": SEARCH | changes}})
    on_disk = StudyOnDisk(study, StudyDir(home, study.name), card)
    directory = on_disk.dir.sweep_dir("full", search_digest(study, card, "full"))
    for trial in Search(study, card, "full", directory).next_batch()[:2]:
        make_record(plan_trial(study, card, "full", trial.params, trial=trial.number)[0], card, on_disk.dir)
    return on_disk


def test_runs_of_an_earlier_search_are_not_done_for_another_one(tmp_path):
    card = make_card(tmp_path)
    first = began(tmp_path, card)
    wider = began(tmp_path, card, space={"learning_rate": {"low": 1e-6, "high": 1e-1, "log": True}})
    assert len(wider.records) == 4
    for on_disk in (first, wider):
        assert len(on_disk.search_runs("full")) == 2
        assert _search_words(on_disk, "full", 10) == "2 of 10 trials begun"
    assert not {record.digest for record in first.search_runs("full")} & {record.digest for record in wider.search_runs("full")}


def test_a_search_that_has_not_begun_has_no_runs(tmp_path):
    card = make_card(tmp_path)
    began(tmp_path, card)
    study = make_study(arms={"full": {"search": SEARCH}}, seed=7)
    assert StudyOnDisk(study, StudyDir(tmp_path, study.name), card).search_runs("full") == []
