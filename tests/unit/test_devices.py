"""Which GPUs a study takes: those that the environment names; one that needs a GPU is refused where none can be used."""

import shlex

import pytest
import torch
import yaml

from bertft_core.config import UserError, load_study
from bertft_core.config.execution_settings import ExecutionConfig
from bertft_core.evaluation.summarize import summarize
from bertft_core.storage.study_dir import StudyDir, write_record
from bertft_core.storage.study_results import StudyResults
from bertft_core.training import devices, machine_needs
from bertft_core.training.determinism import configure
from bertft_core.training.devices import WORKER_BYTES, slot_environments, usable_cores, visible_gpus
from bertft_core.training.environment import read_environment
from bertft_core.training.machine_needs import fit_of, refuse_absent_gpu, refuse_unfit
from bertft_core.training.run import device_of
from flows.cli.app import main
from flows.cli.plan_command import print_plan
from tasks.early_workers import early_workers, looks_finished
from tests.helpers.small_records import make_card, make_spec, make_study
from tests.helpers.tiny_studies import tiny_study


@pytest.mark.parametrize(
    ("chosen", "gpus"), [("0, 1,-1, -1", ["0", "1"]), ("", []), (" -1", []), ("GPU-5ae, 3", ["GPU-5ae", "3"])]
)
def test_the_gpus_that_the_environment_names(monkeypatch, chosen, gpus):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert visible_gpus() == gpus


def torch_without(monkeypatch, cuda: str | None) -> None:
    """One GPU is visible, and torch can use none: it is built without CUDA, or for another driver."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", cuda)


def torch_with_one_gpu(monkeypatch, *, bf16: bool = True) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: bf16)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: "Tesla P100")


def test_a_gpu_that_torch_cannot_use_is_refused_with_the_reason(monkeypatch):
    torch_without(monkeypatch, None)
    with pytest.raises(UserError, match="built without CUDA"):
        refuse_absent_gpu(ExecutionConfig(device="cuda"))
    torch_without(monkeypatch, "13.0")
    with pytest.raises(UserError, match=r"for CUDA 13\.0, which cannot use any GPU of this machine"):
        refuse_absent_gpu(ExecutionConfig(device="cuda"))
    refuse_absent_gpu(ExecutionConfig(device="auto"))
    torch_with_one_gpu(monkeypatch)
    refuse_absent_gpu(ExecutionConfig(device="cuda"))


def test_a_run_is_refused_once_and_before_anything_is_prepared(monkeypatch, capsys, tmp_path):
    torch_without(monkeypatch, None)
    command = ["run", "configs/quickstart.yaml", "--set", "execution.device=cuda", "--home", str(tmp_path / "home")]
    with pytest.raises(SystemExit) as ended:
        main(command)
    shown = capsys.readouterr().err
    assert ended.value.code == 2
    assert shown.count("error: ") == 1
    assert "install a CUDA build of torch" in shown
    assert list((tmp_path / "home").rglob("*")) == []


def test_a_plan_is_made_without_the_gpu_and_says_that_a_run_is_refused(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    study, _ = tiny_study(tmp_path, execution={"device": "cuda"})
    print_plan(study, tmp_path / "home")
    shown = capsys.readouterr().out
    assert "none is available here (no device in CUDA_VISIBLE_DEVICES=''): bertft run refuses this study" in shown
    assert "use --set execution.device=cpu" in shown


def test_a_finished_study_that_names_a_gpu_is_reported_without_one(monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    study = make_study(execution={"device": "cuda", "slots": 1})
    with pytest.raises(UserError, match="none is available here"), early_workers(study, tmp_path):
        pass
    summary = summarize(StudyResults(study, make_card(tmp_path), StudyDir(tmp_path, study.name), {}, []))
    write_record(StudyDir(tmp_path, study.name).summary_path, summary)
    with early_workers(study, tmp_path) as slots:
        assert slots is None
    write_record(StudyDir(tmp_path, study.name).config_path, make_study(execution={"device": "cpu"}))
    assert not looks_finished(study, StudyDir(tmp_path, study.name)), "its runs were computed otherwise"


def test_gpus_that_torch_cannot_use_take_no_slots(monkeypatch):
    cores = usable_cores()
    torch_without(monkeypatch, None)
    environments = slot_environments(ExecutionConfig(device="auto"))
    assert [environment["CUDA_VISIBLE_DEVICES"] for environment in environments] == [""] * cores
    assert "no GPU is used although 1 can be seen" in fit_of(make_study()).remarks[0]
    torch_with_one_gpu(monkeypatch)
    assert [environment["CUDA_VISIBLE_DEVICES"] for environment in slot_environments(ExecutionConfig())] == ["0"]
    assert fit_of(make_study()).remarks == ["1 of 2 visible GPUs are used: torch cannot use the others"]


FP16 = {
    "training.precision": {"training": {"precision": "fp16"}},
    "arms.half.precision": {"arms": {"full": {}, "half": {"precision": "fp16"}}},
    "arms.half.search.training.precision": {
        "arms": {"half": {"search": {"training": {"precision": "fp16"}, "space": {"epochs": {"choices": [1.0, 2.0]}}}}}
    },
    "arms.half.search.space.precision": {"arms": {"half": {"search": {"space": {"precision": {"choices": ["fp32", "fp16"]}}}}}},
}


@pytest.mark.parametrize("key", FP16)
def test_fp16_on_a_cpu_is_refused_where_it_is_set_and_the_advice_works_there(monkeypatch, tmp_path, key):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    config = tmp_path / "study.yaml"
    config.write_text(
        yaml.safe_dump({"name": "half", "data": {"source": "bundled", "name": "reviews"}, "arms": {"full": {}}} | FP16[key])
    )
    with pytest.raises(UserError) as refused:
        refuse_unfit(load_study(config))
    assert refused.value.code == "machine.unsupported-precision"
    assert refused.value.found.startswith(key)
    options = shlex.split(refused.value.hint.partition("use --set ")[2].partition(", or a machine")[0])
    refuse_unfit(load_study(config, options))


def test_a_precision_is_refused_once_for_all_arms_that_share_it_and_not_where_a_gpu_is(monkeypatch):
    study = make_study(training={"precision": "fp16"}, arms={"a": {}, "b": {}, "c": {"precision": "bf16"}})
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert [refusal.code for refusal in fit_of(study).refusals] == ["machine.unsupported-precision"]
    torch_with_one_gpu(monkeypatch, bf16=False)
    (refusal,) = fit_of(study).refusals
    assert (refusal.code, refusal.found) == ("machine.unsupported-precision", "arms.c.precision: bf16 on Tesla P100")


def test_a_run_of_a_gpu_is_refused_on_a_cpu(monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    spec = make_spec(make_study(execution={"device": "cuda"}), make_card(tmp_path))
    with pytest.raises(UserError, match="none is available here"):
        device_of(spec)


def test_deterministic_algorithms_on_a_gpu_do_not_fill_memory_and_its_attention_is_chosen_and_recorded():
    try:
        on = dict.fromkeys(("flash", "cudnn", "efficient", "math"), True)
        configure(1, torch.device("cuda"))
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.utils.deterministic.fill_uninitialized_memory
        recorded = read_environment("NVIDIA H200", 1).flags
        assert {name: recorded[f"{name}_attention"] for name in on} == on | {"flash": False, "cudnn": False}
        configure(1, torch.device("cpu"))
        assert torch.backends.cuda.flash_sdp_enabled(), "which a CPU reads too"
        assert "flash_attention" not in read_environment("cpu", 1).flags
    finally:
        torch.use_deterministic_algorithms(False)
        torch.utils.deterministic.fill_uninitialized_memory = True


def test_more_threads_than_cores_and_more_runs_than_memory_are_refused(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    cores = usable_cores()
    assert fit_of(make_study(execution={"threads_per_run": cores, "slots": 1})).refusals == []
    (refusal,) = fit_of(make_study(execution={"threads_per_run": cores + 1})).refusals
    assert (refusal.code, refusal.expected) == ("machine.too-many-threads", f"at most {cores}")
    monkeypatch.setattr(machine_needs, "memory_bytes", lambda: 3 * WORKER_BYTES)
    assert fit_of(make_study(execution={"slots": 3})).refusals == []
    (refusal,) = fit_of(make_study(execution={"slots": 4})).refusals
    assert (refusal.code, refusal.hint) == ("machine.too-many-slots", "use --set execution.slots=auto")


def test_several_runs_share_each_gpu_where_the_study_says_so_and_one_takes_it_before_a_trial(monkeypatch):
    monkeypatch.setattr(devices, "usable_gpus", lambda execution: ["0", "1"])
    slots_of = {"auto": ["0", "1"], 1: ["0", "1"], 3: ["0", "1"] * 3}
    for runs, gpus in slots_of.items():
        execution = ExecutionConfig(device="cuda", runs_per_device=runs)
        assert [each["CUDA_VISIBLE_DEVICES"] for each in slot_environments(execution)] == gpus
    assert len(slot_environments(ExecutionConfig(device="cuda", runs_per_device=3, slots=2))) == 2


def test_automatic_slots_fit_into_the_memory(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(devices, "usable_cores", lambda: 64)
    monkeypatch.setattr(devices, "memory_bytes", lambda: 3 * WORKER_BYTES)
    assert len(slot_environments(ExecutionConfig())) == 3
    monkeypatch.setattr(devices, "memory_bytes", lambda: 1)
    assert len(slot_environments(ExecutionConfig())) == 1


def test_more_runs_at_once_than_cores_are_remarked_and_not_refused(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    fit = fit_of(make_study(execution={"slots": usable_cores() + 1}))
    assert fit.refusals == []
    assert "execution.slots=auto makes" in fit.remarks[0]
