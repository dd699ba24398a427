"""A state of a run is written while training goes on, counts once it is complete, and an error of its thread is the run's."""

from __future__ import annotations

import errno
import os
import threading

import pytest
import torch

from bertft_core.training import checkpoint
from bertft_core.training.checkpoint import CheckpointWriter, Position, checkpoints, load_checkpoint


def at(step: int) -> Position:
    return Position(digest="run", step=step)


def saved(directory):
    position, tensors = load_checkpoint(directory, "run")
    return position.step, tensors["w"].tolist()


def test_a_state_counts_once_it_is_complete_and_holds_what_was_there_when_it_was_saved(tmp_path, monkeypatch):
    writer, values, flushed = CheckpointWriter(tmp_path), torch.zeros(3), threading.Event()
    writer.save(at(1), {"w": values})
    writer.wait()
    monkeypatch.setattr(os, "fsync", lambda file: flushed.wait())
    values += 1
    writer.save(at(2), {"w": values})
    values += 1  # training goes on
    assert saved(tmp_path) == (1, [0.0] * 3), "a kill here leaves the state before"
    flushed.set()
    writer.wait()
    assert saved(tmp_path) == (2, [1.0] * 3)


def test_the_next_state_waits_for_the_one_before_and_two_are_kept(tmp_path):
    writer = CheckpointWriter(tmp_path)
    for step in (1, 2, 3, 4):
        writer.save(at(step), {"w": torch.full((3,), float(step))})
        assert step == 1 or f"step-{step - 1:08d}" in [path.name for path in checkpoints(tmp_path)]
    writer.wait()
    assert [path.name for path in checkpoints(tmp_path)] == ["step-00000003", "step-00000004"]
    assert list(tmp_path.glob(".*")) == []


@pytest.mark.parametrize("then", ["wait", "save"])
def test_an_error_of_the_thread_is_raised_once_where_the_run_can_report_it(tmp_path, monkeypatch, then):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    writer = CheckpointWriter(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "write_record", full)
        writer.save(at(1), {"w": torch.zeros(3)})
        with pytest.raises(OSError, match="No space left"):
            writer.wait() if then == "wait" else writer.save(at(2), {"w": torch.zeros(3)})
    writer.save(at(3), {"w": torch.ones(3)})
    writer.wait()
    assert saved(tmp_path) == (3, [1.0] * 3)
