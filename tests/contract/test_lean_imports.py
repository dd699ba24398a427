"""A worker imports its libraries without parts that it does not use, which are there where they are asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bertft_core.processes import child_environment
from bertft_core.training.run import train_run
from tests.helpers.tiny_studies import tiny_spec, tiny_study

LEFT_OUT = ("torch._dynamo.eval_frame", "torch._inductor", "torch.distributed.fsdp", "accelerate", "pandas")
TRAINS = """
import json, sys
from pathlib import Path
from bertft_core.training.lean_imports import import_lean
import_lean()
from bertft_core.records import RunSpec
from bertft_core.training.run import train_run
record = train_run(RunSpec.model_validate_json(sys.argv[1]), run_dir=Path(sys.argv[2]))
print(json.dumps([record.weights_sha256, [name for name in sys.argv[3:] if name in sys.modules]]))
"""
ASKS_FOR_THEM = """
import json, sys
from bertft_core.training.lean_imports import import_lean
import_lean()
import torch
stands_in = torch._dynamo
import torch._dynamo.config
assert torch._dynamo is not stands_in and torch._dynamo is sys.modules["torch._dynamo"]
assert torch._dynamo.config is sys.modules["torch._dynamo.config"]
assert torch.compile(lambda x: x + 1, backend="eager")(torch.ones(2)).tolist() == [2.0, 2.0]
import accelerate, pandas
print(json.dumps([name for name in sys.argv[1:] if name in sys.modules]))
"""
RECOMPUTES = """
from bertft_core.training.lean_imports import import_lean
import_lean()
import torch
from torch.utils.checkpoint import checkpoint
layer = torch.nn.Linear(2, 1)
checkpoint(layer, torch.ones(1, 2), use_reentrant=False).sum().backward()
print(layer.weight.grad.tolist())
"""


def in_a_child(code: str, *words: str) -> str:
    command = [sys.executable, "-P", "-c", code, *words]
    ended = subprocess.run(command, env=child_environment(), capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_a_run_needs_nothing_that_is_left_out_and_has_the_same_bits(tmp_path: Path) -> None:
    spec = tiny_spec(*tiny_study(tmp_path))
    weights, loaded = json.loads(in_a_child(TRAINS, spec.model_dump_json(), str(tmp_path / "lean"), *LEFT_OUT))
    assert loaded == []
    assert weights == train_run(spec, run_dir=tmp_path / "here").weights_sha256


@pytest.mark.slow
def test_what_is_left_out_is_imported_when_it_is_asked_for() -> None:
    asked_for = ["torch._dynamo.eval_frame", "accelerate", "pandas"]
    assert json.loads(in_a_child(ASKS_FOR_THEM, *asked_for)) == asked_for


@pytest.mark.slow
def test_activations_can_be_recomputed() -> None:
    assert json.loads(in_a_child(RECOMPUTES)) == [[1.0, 1.0]]
