"""A CUDA error leaves a process's context broken: its worker is not used again. The errors here are made up; no GPU is needed."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import torch

from bertft_core.config import UserError
from bertft_core.planning.run_specs import plan_runs
from bertft_core.records import RunSpec
from bertft_core.storage.study_dir import write_record
from bertft_core.training import run as run_module
from bertft_core.training import worker
from bertft_core.training.slots import Slots
from bertft_core.training.workers import RunFailed
from tests.helpers.interrupted_runs import pids_of
from tests.helpers.small_records import make_card, make_study

ASSERT = "CUDA error: device-side assert triggered\nCUDA kernel errors might be asynchronously reported at some other API call"
FAKE_WORKER = """\
    #!/bin/sh
    echo '{"kind": "ready"}'
    read request; echo '{"kind": "error", "text": "RuntimeError: CUDA error", "user": false, "broken": BROKEN}'
    read request; echo '{"kind": "done"}'
    read request
"""


@pytest.fixture
def spec(tmp_path) -> RunSpec:
    return plan_runs(make_study(), make_card(tmp_path), {})[0]


def wrapped(error: Exception) -> Exception:
    outer = ValueError("the batch could not be made")
    outer.__cause__ = error
    return outer


@pytest.mark.parametrize(
    ("error", "broken"),
    [
        (RuntimeError(ASSERT), True),
        (torch.AcceleratorError("an illegal memory access was encountered"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling cublasSgemm"), True),
        (wrapped(RuntimeError(ASSERT)), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), False),
        (torch.AcceleratorError("CUDA error: out of memory"), False),
        (RuntimeError("shape '[2]' is invalid for input of size 3"), False),
        (ValueError("a text that speaks of a CUDA error"), False),
        (UserError("fp16 needs a GPU"), False),
    ],
)
def test_a_worker_says_whether_the_error_has_broken_it(monkeypatch, spec, tmp_path, error, broken):
    def train_run(*words: Any, **options: Any) -> None:
        raise error

    monkeypatch.setattr(run_module, "train_run", train_run)
    write_record(tmp_path / "spec.json", spec)
    messages: list[dict[str, Any]] = []
    worker._serve({"do": "train", "spec": str(tmp_path / "spec.json"), "run_dir": str(tmp_path)}, messages.append)
    assert [(event["kind"], event["broken"]) for event in messages] == [("error", broken)]


@pytest.mark.parametrize("broken", [True, False])
def test_a_broken_worker_is_replaced_and_a_healthy_one_stays(monkeypatch, spec, tmp_path, broken):
    fake = tmp_path / "worker.sh"
    fake.write_text(textwrap.dedent(FAKE_WORKER).replace("BROKEN", str(broken).lower()))
    fake.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(fake))
    with Slots([{}], tmp_path / "logs") as slots:
        (first,) = pids_of(slots)
        with slots.lease() as leased, pytest.raises(RunFailed, match="CUDA error"):
            leased.run(spec, tmp_path / "run", lambda event: None)
        assert pids_of(slots) == ([] if broken else [first])
        with slots.lease() as leased:
            assert (leased.pid != first) is broken
            assert leased.alive
    assert not Path(f"/proc/{first}").exists()
