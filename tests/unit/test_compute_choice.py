"""Kind of device, kernels and the way to compute: decided before planning, kept by later commands, part of a run's identity."""

from __future__ import annotations

from typing import Any

import pytest

from bertft_core.config import UserError, parse_study
from bertft_core.planning.run_specs import search_digest
from bertft_core.records import RunRecord
from bertft_core.records.compute import WAYS, Compute
from bertft_core.records.selection import answers, goes_on
from bertft_core.storage.study_dir import StudyDir, write_record
from bertft_core.training import compute_choice
from bertft_core.training import kernels as kernels_here
from bertft_core.training.compute_choice import (
    decided_here,
    kept_settings,
    needs_probe,
    remark_on_kept_device,
    with_device,
    with_kernels,
)
from bertft_core.training.kernel_probe import KernelProbe
from bertft_core.training.retraining import as_possible_here, environment_here
from flows.check_regression import as_in
from flows.study_command import read_command
from tasks.stored_runs import is_reusable
from tests.helpers.small_records import make_card, make_environment, make_record, make_spec, make_study

FAST, INEXACT = KernelProbe(2.0, 5e-7, 1e-6), KernelProbe(2.0, 5e-7, 2e-3)
MKL, ONEDNN, CUDA = {"device": "cpu", "kernels": "mkl"}, {"device": "cpu", "kernels": "onednn"}, {"device": "cuda"}
ORIGINAL = {"compute": "original"}


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


class Home:
    """Where a study's commands leave records."""

    def __init__(self, folder) -> None:
        self.card, self.dir = make_card(folder).model_copy(update={"by_hand": True}), StudyDir(folder, "small")

    def ran(self, execution: dict[str, Any], n: int = 1, **changes: Any) -> list[RunRecord]:
        """A command with these settings that ended so many runs."""
        study = make_study(execution=execution)
        write_record(self.dir.config_path, study)
        records = [make_record(make_spec(study, self.card, "full", i), self.card, self.dir) for i in range(n)]
        records = [record.model_copy(update=changes) for record in records]
        for record in records:
            write_record(self.dir.run_dir(record.digest) / "record.json", record)
        return records

    def decided(self, *, force: bool = False, **execution: Any) -> tuple[str, str]:
        decided = with_device(make_study(execution=execution), self.dir, force=force).execution
        return decided.device, decided.kernels


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(tmp_path)


ON_A_GPU = {"environment": make_environment().model_copy(update={"device": "NVIDIA H200", "gpu_driver": "570.1"})}


def test_a_new_study_takes_the_device_there_is_and_leaves_the_kernels_to_the_probe(home, monkeypatch):
    assert home.decided() == ("cpu", "auto")
    assert needs_probe(with_device(make_study(), home.dir))
    monkeypatch.setattr(compute_choice, "usable_gpus", lambda _: ["0"])
    assert home.decided() == ("cuda", "auto")
    assert not needs_probe(with_device(make_study(), home.dir))


@pytest.mark.parametrize(("before", "kept"), [({}, "mkl"), (MKL, "mkl"), (ONEDNN, "onednn")])
def test_a_study_keeps_to_what_its_finished_runs_were_computed_with(home, before, kept, monkeypatch):
    home.ran(before, n=2)
    monkeypatch.setattr(compute_choice, "usable_gpus", lambda _: ["0"])
    assert home.decided() == ("cpu", kept)
    asked, decided = make_study(), with_device(make_study(), home.dir)
    assert "computed on the CPU, so the others are too" in (remark_on_kept_device(asked, decided) or "")
    assert home.decided(device="cuda") == ("cuda", "auto"), "what is set beats what is kept"
    assert home.decided(kernels="onednn") == ("cpu", "onednn")
    assert home.decided(force=True) == ("cuda", "auto"), "every run is trained again"


@pytest.mark.parametrize("before", [MKL | ORIGINAL, ONEDNN | {"compute": "fast"}, CUDA | ORIGINAL])
def test_a_study_that_is_compared_with_its_reference_is_computed_as_that_was(home, before, monkeypatch):
    home.ran(before)
    monkeypatch.setattr(compute_choice, "usable_gpus", lambda _: [] if before["device"] == "cuda" else ["0"])
    asked, where = make_study().model_dump(mode="json", exclude_unset=True), home.dir.home_dir
    reference = read_command(asked, [], where, force=False)
    again = read_command(asked, as_in(reference), where, force=True)
    assert again.study.name == "small-again"
    assert {name: getattr(again.study.execution, name) for name in before} == before


def way_of(home: Home, **execution: Any) -> str:
    return with_device(make_study(execution=execution), home.dir).execution.compute


@pytest.mark.parametrize(
    ("before", "way"), [({}, "original"), ({"compute": "reference"}, "reference"), ({"compute": "fast"}, "fast")]
)
def test_a_new_study_computes_by_hand_and_an_older_one_as_its_runs_were_computed(home, before, way, monkeypatch):
    assert way_of(home) == "fast"
    home.ran(MKL | before)
    assert way_of(home) == way
    assert way_of(home, compute="reference") == "reference"
    monkeypatch.setattr(compute_choice, "usable_gpus", lambda _: ["0"])
    assert way_of(home, device="cuda") == "original", "a GPU has one way"


def test_runs_that_have_one_way_only_leave_the_others_as_the_last_command_had_them(home):
    home.card = home.card.model_copy(update={"by_hand": False})
    (record,) = home.ran(MKL | {"compute": "fast"})
    assert record.computed_with == Compute()
    assert way_of(home) == "fast"


def test_a_command_that_asked_for_another_way_and_ended_no_run_changes_nothing(home):
    home.ran(MKL)
    write_record(home.dir.config_path, make_study(execution=MKL | {"compute": "fast"}))
    write_record(home.dir.card_path, home.card)
    assert way_of(home) == "original", "all finished runs were computed in it"
    home.ran(MKL | {"compute": "fast"})
    assert way_of(home) == "fast"


def test_a_way_to_compute_is_a_path_and_masks_in_digests_but_for_the_first(tmp_path):
    card = make_card(tmp_path)
    asked = {way: make_study(execution={"device": "cpu", "compute": way}) for way in ("auto", *WAYS)}
    by_hand = {way: make_spec(study, card.model_copy(update={"by_hand": True})) for way, study in asked.items()}
    assert by_hand["original"].digest == by_hand["auto"].digest == make_spec(make_study(), card).digest
    assert len({spec.digest for spec in by_hand.values()}) == 3
    assert by_hand["fast"].model_dump(mode="json")["compute"] == {"path": "fast", "masks": 2}
    assert {make_spec(study, card).digest for study in asked.values()} == {by_hand["original"].digest}, "a family with one way"
    assert [by_hand[way].compute.settings()["compute"] for way in WAYS] == list(WAYS)


def test_failed_runs_decide_nothing_and_of_two_ways_the_last_command_decides(home):
    home.ran(ONEDNN, status="failed")
    assert kept_settings(home.dir) == {}
    state = home.dir.run_dir("0" * 64) / "checkpoint" / "step-00000003"
    state.mkdir(parents=True)
    assert kept_settings(home.dir) == ONEDNN | ORIGINAL, "a run can be resumed"
    home.ran({}, status="failed")
    assert kept_settings(home.dir) == {"kernels": "mkl"} | ORIGINAL, "also one of a version that decided nothing"
    state.rmdir()
    home.ran(MKL)
    home.ran(ONEDNN)
    assert kept_settings(home.dir) == ONEDNN | ORIGINAL
    home.ran(MKL)
    assert kept_settings(home.dir) == MKL | ORIGINAL


def test_a_record_of_a_gpu_from_before_there_were_kinds_of_devices_answers_for_no_run_on_a_cpu(home, tmp_path):
    (record,) = home.ran({"device": "auto"}, **ON_A_GPU)
    on_cpu = make_spec(make_study(), home.card)
    assert record.digest == on_cpu.digest
    assert record.computed_with == Compute(device="cuda")
    assert not answers(record, on_cpu)
    assert not is_reusable(record, on_cpu, home.dir.run_dir(record.digest))
    stopped = record.model_copy(update={"status": "pruned", "spec": on_cpu.model_copy(update={"stop_at": 0.5})})
    assert not goes_on(stopped, on_cpu), "its state is of the GPU too"
    assert home.decided() == ("cuda", "auto")
    assert as_possible_here(record).compute == Compute()


def test_the_probe_decides_what_is_open_and_checks_what_is_not():
    asked = make_study(execution=ONEDNN)
    assert with_kernels(make_study(execution={"device": "cpu"}), FAST).execution.kernels == "onednn"
    assert with_kernels(make_study(execution={"device": "cpu"}), INEXACT).execution.kernels == "mkl"
    assert with_kernels(asked, FAST) == asked
    with pytest.raises(UserError) as refused:
        with_kernels(asked, INEXACT)
    assert refused.value.code == "machine.inexact-kernels"


def test_a_plan_is_made_without_exact_kernels_and_says_that_a_run_is_refused(home, monkeypatch):
    for probe, n_refusals in ((FAST, 0), (INEXACT, 1)):
        monkeypatch.setattr(kernels_here, "probe_kernels", lambda _, probe=probe: probe)
        study, fit = decided_here(make_study(execution={"kernels": "onednn", "slots": 1}), home.dir)
        assert study.execution.kernels == "onednn"
        assert len(fit.refusals) == n_refusals
        assert any("2.0 times as fast here as by MKL" in remark for remark in fit.remarks) == (not n_refusals)


def test_what_the_first_version_computed_with_is_in_no_digest(tmp_path):
    card, (auto, mkl, onednn, cuda) = make_card(tmp_path), (make_study(execution=each) for each in ({}, MKL, ONEDNN, CUDA))
    digests = [make_spec(study, card).digest for study in (auto, mkl, onednn, cuda)]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3
    plain = make_spec(mkl, card).model_dump(mode="json")
    assert "compute" not in plain
    assert make_spec(onednn, card).model_dump(mode="json")["compute"] == {"kernels": "onednn"}
    assert make_spec(onednn, card).setting_digest != make_spec(mkl, card).setting_digest
    assert len({search_digest(study, card, "full") for study in (auto, mkl, onednn, cuda)}) == 3
    assert auto.digest == onednn.digest, "the question is the same"


def test_a_run_is_trained_again_with_its_kernels_or_with_those_that_this_machine_has(home, monkeypatch):
    (record,) = home.ran(ONEDNN)
    for exact, kernels in ((True, "onednn"), (False, "mkl")):
        monkeypatch.setattr(kernels_here, "is_exact_here", lambda exact=exact: exact)
        spec = as_possible_here(record)
        assert spec.compute.kernels == environment_here(spec).kernels == kernels


def test_kernels_are_refused_beside_a_gpu_where_they_have_no_effect():
    base = make_study().model_dump(mode="json", exclude={"arms"}) | {"arms": {"full": {}}}
    parse_study(base | {"execution": {"device": "auto", "kernels": "onednn"}})
    parse_study(base | {"execution": {"device": "cuda", "compute": "original"}})
    for setting, problem in (({"kernels": "onednn"}, "kernels are those"), ({"compute": "fast"}, "compute is that")):
        with pytest.raises(UserError, match=f"{problem} of a CPU"):
            parse_study(base | {"execution": {"device": "cuda"} | setting})
