"""Which GPUs a study takes: those that the environment names; one that needs a GPU is refused where none can be used."""

import pytest
import torch

from bertft_core.config import UserError
from bertft_core.config.execution_settings import ExecutionConfig
from bertft_core.evaluation.summarize import summarize
from bertft_core.storage import StudyDir
from bertft_core.storage.study_dir import write_record
from bertft_core.storage.study_results import StudyResults
from bertft_core.training.devices import refuse_absent_gpu, visible_gpus
from flows.cli.app import main
from flows.cli.plan_command import print_plan
from tasks.early_workers import early_workers
from tests.helpers.small_records import make_card, make_study
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


def test_a_gpu_that_torch_cannot_use_is_refused_with_the_reason(monkeypatch):
    torch_without(monkeypatch, None)
    with pytest.raises(UserError, match="built without CUDA"):
        refuse_absent_gpu(ExecutionConfig(device="cuda"))
    torch_without(monkeypatch, "13.0")
    with pytest.raises(UserError, match=r"for CUDA 13\.0, which cannot use any GPU of this machine"):
        refuse_absent_gpu(ExecutionConfig(device="cuda"))
    refuse_absent_gpu(ExecutionConfig(device="auto"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    refuse_absent_gpu(ExecutionConfig(device="cuda"))


def test_a_run_is_refused_once_and_before_anything_is_prepared(monkeypatch, capsys, tmp_path):
    torch_without(monkeypatch, None)
    command = ["run", "configs/quickstart.yaml", "--set", "execution.device=cuda", "--home", str(tmp_path / "home")]
    with pytest.raises(SystemExit) as ended:
        main(command)
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert told.count("error: ") == 1
    assert "install a CUDA build of torch" in told
    assert not (tmp_path / "home").exists()


def test_a_plan_is_made_without_the_gpu_and_says_that_a_run_is_refused(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    study, _ = tiny_study(tmp_path, execution={"device": "cuda"})
    print_plan(study, tmp_path / "home")
    told = capsys.readouterr().out
    assert "no GPU can be used here (no device in CUDA_VISIBLE_DEVICES=''): bertft run refuses this study" in told


def test_a_finished_study_that_names_a_gpu_is_reported_without_one(monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    study = make_study(execution={"device": "cuda", "slots": 1})
    with pytest.raises(UserError, match="none is available here"), early_workers(study, tmp_path):
        pass
    summary = summarize(StudyResults(study, make_card(tmp_path), StudyDir(tmp_path, study.name), {}, []))
    write_record(StudyDir(tmp_path, study.name).summary_path, summary)
    with early_workers(study, tmp_path) as slots:
        assert slots is None
