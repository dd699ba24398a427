"""A budget for models: what goes first, what never goes, and that it is reported."""

from __future__ import annotations

import pytest

from bertft_core.config import parse_study
from bertft_core.library.chosen_runs import _not_kept
from bertft_core.planning.run_specs import plan_runs
from bertft_core.records import RunRecord
from bertft_core.storage.retention import GIB, folder_bytes, over_budget
from bertft_core.storage.study_dir import StudyDir
from bertft_core.storage.study_results import StudyResults
from tasks.keep_models import ModelBudget
from tests.helpers.small_records import make_card, make_record, make_study

SCORES = {("features", 0): 0.6, ("features", 1): 0.7, ("features", 2): 0.5, ("full", 0): 0.8, ("full", 1): 0.9, ("full", 2): 0.9}
MODEL_BYTES = 1024


def study_with(n_models: float):
    """A study whose budget is so many models of `MODEL_BYTES`."""
    return make_study(retention={"checkpoints": "all", "budget_gib": n_models * MODEL_BYTES / GIB})


@pytest.fixture
def runs(tmp_path) -> dict[tuple[str, int], RunRecord]:
    """Every report run with the score above and a model on disk."""
    study, card = study_with(6), make_card(tmp_path)
    records = {}
    for spec in plan_runs(study, card, {}):
        record = make_record(spec, card, StudyDir(tmp_path, study.name))
        records[spec.arm, spec.index] = record.model_copy(update={"best_score": SCORES[spec.arm, spec.index]})
        model_dir = StudyDir(tmp_path, study.name).run_dir(spec.digest) / "model"
        model_dir.mkdir()
        (model_dir / "model.safetensors").write_bytes(b"0" * MODEL_BYTES)
    return records


def going(study, runs) -> list[tuple[str, int]]:
    names = {record.digest: name for name, record in runs.items()}
    arms = {arm: [record for name, record in runs.items() if name[0] == arm] for arm in ("features", "full")}
    return [names[digest] for digest in over_budget(study, arms, dict.fromkeys(names, MODEL_BYTES))]


@pytest.mark.parametrize(
    ("n_models", "gone"),
    [
        (6, []),
        (5.5, [("features", 2)]),
        (4, [("features", 2), ("features", 0)]),
        (0.5, [("features", 2), ("features", 0), ("full", 0), ("full", 2)]),
    ],
)
def test_the_worst_score_goes_first_and_the_best_of_an_arm_never(runs, n_models, gone):
    assert going(study_with(n_models), runs) == gone


def test_without_a_budget_nothing_goes(runs):
    assert going(make_study(), runs) == []


def test_of_a_metric_that_should_be_small_the_largest_goes_first(runs):
    study = make_study(metric="log_loss", retention={"checkpoints": "all", "budget_gib": 4 * MODEL_BYTES / GIB})
    assert going(study, runs) == [("full", 2), ("full", 1)]


def test_a_run_without_a_score_goes_before_all_others(runs):
    runs["full", 1] = runs["full", 1].model_copy(update={"best_score": None, "status": "diverged"})
    assert going(study_with(5), runs) == [("full", 1)]


def test_the_best_of_an_arm_stays_when_its_records_have_the_name_it_had_before(runs):
    for name, record in runs.items():
        runs[name] = record.model_copy(update={"spec": record.spec.model_copy(update={"arm": "full"})})
    assert going(study_with(0.5), runs) == [("features", 2), ("features", 0), ("full", 0), ("full", 2)]


def test_a_run_that_two_arms_ask_for_is_the_best_of_either(tmp_path, runs):
    budget = ModelBudget(study_with(1), StudyDir(tmp_path, "small"), Deaf(), lambda problem: None)  # type: ignore[arg-type]
    for name in (("full", 1), ("features", 1)):
        budget.ended(runs[name].spec, runs[name])
    budget.ended(runs["features", 0].spec.model_copy(update={"arm": "alike"}), runs["features", 1])
    assert {budget.as_it_is(runs[name]).model_dropped for name in (("full", 1), ("features", 1))} == {None}


def test_a_budget_is_a_positive_number_of_the_execution():
    assert make_study().digest == study_with(1).digest
    with pytest.raises(Exception, match="budget_gib"):
        parse_study(
            {"name": "s", "data": {"source": "bundled", "name": "reviews"}, "arms": {"a": {}}, "retention": {"budget_gib": 0}}
        )


class Deaf:
    """A tracker that remembers which models were dropped."""

    def __init__(self) -> None:
        self.dropped: list[str] = []

    def drop_model(self, digest: str) -> None:
        self.dropped.append(digest)


def test_while_a_study_runs_models_beyond_the_budget_are_deleted_reported_and_recorded(tmp_path, runs):
    study, study_dir, tracker = study_with(3), StudyDir(tmp_path, "small"), Deaf()
    messages: list[str] = []
    budget = ModelBudget(study, study_dir, tracker, messages.append)  # type: ignore[arg-type]
    for record in runs.values():
        budget.ended(record.spec, record)
        kept = [path.parent.name for path in study_dir.path.glob("runs/*/model")]
        assert record.spec.index == 0 or len(kept) >= 3
    left = {name for name, record in runs.items() if (study_dir.run_dir(record.digest) / "model").exists()}
    assert left == {("features", 1), ("full", 1), ("full", 2)}
    gone = runs.keys() - left
    assert set(tracker.dropped) == {runs[name].digest for name in gone}
    assert len(messages) == 3
    assert any("features · seed 002: its model was deleted (retention.budget_gib: " in line for line in messages)
    records = {record.digest: budget.as_it_is(record) for record in runs.values()}
    assert {record.model_dropped for record in records.values()} == {None, "budget"}
    for name, record in runs.items():
        stored = study_dir.record(record.digest)
        assert stored is not None
        assert stored.model_dropped == ("budget" if name in gone else None)


def test_the_size_of_a_folder_is_that_of_its_files(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").write_bytes(b"12345")
    (tmp_path / "a" / "d").write_bytes(b"1")
    assert folder_bytes(tmp_path / "a") == 6
    assert folder_bytes(tmp_path / "a" / "d") == 1
    assert folder_bytes(tmp_path / "none") == 0


def test_the_hint_for_a_model_that_went_with_the_budget_is_to_raise_it(tmp_path, runs):
    study, gone = study_with(1), runs["full", 0].model_copy(update={"model_dropped": "budget"})
    results = StudyResults(study, make_card(tmp_path), StudyDir(tmp_path, study.name), {})
    assert "raise retention.budget_gib (now " in str(_not_kept(results, "not kept", [gone], [])).partition("hint")[2]
    assert "set retention.checkpoints: all" in str(_not_kept(results, "not kept", [runs["full", 1]], [])).partition("hint")[2]
