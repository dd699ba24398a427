"""On a GPU what a step has computed is read while the next one is under way: the run is the same, to the last bit."""

from __future__ import annotations

import time
from typing import Any

import pytest

from bertft_core.training.run import train_run
from bertft_core.training.step_readings import StepReadings
from bertft_core.training.training_loop import Loop
from tests.helpers.interrupted_runs import interrupted, result_in, step_events
from tests.helpers.tiny_studies import tiny_spec, tiny_study

BY_STEPS = {"evaluate_every_epochs": None}
EXPLODING = {"learning_rate": 1.0, "weight_decay": 1e12, "max_grad_norm": None, "warmup_ratio": 0.0}
"""Decay multiplies every weight by -1e12 in each step."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return tiny_study(tmp_path_factory.mktemp("study"))


@pytest.fixture
def late(monkeypatch):
    """As on a GPU, on this CPU."""
    of = StepReadings.__init__
    monkeypatch.setattr(StepReadings, "__init__", lambda self, emit, *, late: of(self, emit, late=True))


@pytest.mark.parametrize(
    "settings", [{}, {"max_grad_norm": 0.05}, {"micro_batch_size": 2, "evaluate_every_steps": 2, **BY_STEPS}]
)
def test_a_run_that_is_read_late_is_the_same_run(prepared, tmp_path, request, settings):
    spec = tiny_spec(*prepared, **settings)
    train_run(spec, run_dir=tmp_path / "at once")
    request.getfixturevalue("late")
    train_run(spec, run_dir=tmp_path / "late")
    assert result_in(tmp_path / "late") == result_in(tmp_path / "at once")


def test_a_run_that_diverges_ends_at_the_same_step(prepared, tmp_path, request):
    spec = tiny_spec(*prepared, **EXPLODING)
    at_once = train_run(spec, run_dir=tmp_path / "at once")
    request.getfixturevalue("late")
    late = train_run(spec, run_dir=tmp_path / "late")
    assert late.status == at_once.status == "diverged"
    assert (late.n_steps, late.error) == (at_once.n_steps, at_once.error)
    assert 1 < late.n_steps < 15
    assert step_events(tmp_path / "late") == step_events(tmp_path / "at once")
    assert len(step_events(tmp_path / "late")) == late.n_steps - 1


def test_a_loss_is_told_when_the_next_update_has_been_asked_for_but_before_every_evaluation(
    prepared, tmp_path, late, monkeypatch
):
    updates, told, update = [], [], Loop._update

    def counted(*args: Any) -> None:
        update(*args)
        updates.append(1)

    def tell(event: dict[str, Any]) -> None:
        if event["kind"] in ("step", "evaluation"):
            told.append((event["kind"], event["step"], len(updates)))

    monkeypatch.setattr(Loop, "_update", counted)
    train_run(tiny_spec(*prepared, evaluate_every_steps=4, **BY_STEPS), run_dir=tmp_path, on_event=tell)
    expected = [("step", step, step if step in (4, 8, 12, 15) else step + 1) for step in range(1, 16)]
    assert [each for each in told if each[0] == "step"] == expected
    assert [each for each in told if each[0] != "step"] == [("evaluation", step, step) for step in (4, 8, 12, 15)]
    assert [kind for kind, *_ in told] == ["step"] * 4 + (["evaluation"] + ["step"] * 4) * 2 + ["evaluation"] + ["step"] * 3 + [
        "evaluation"
    ]


def test_a_run_that_was_killed_goes_on_with_the_same_bits(prepared, tmp_path, late):
    spec = tiny_spec(*prepared)
    train_run(spec, run_dir=tmp_path / "straight")
    interrupted(spec, tmp_path / "killed", "step", 7)
    train_run(spec, run_dir=tmp_path / "killed")
    assert result_in(tmp_path / "killed") == result_in(tmp_path / "straight")


def test_the_time_in_which_a_step_is_waited_for_is_time_of_training(prepared, tmp_path, late, monkeypatch):
    read, waited = StepReadings.read, []

    def slow(self: StepReadings) -> float:
        time.sleep(0.02)
        waited.append(0.02)
        return read(self)

    monkeypatch.setattr(StepReadings, "read", slow)
    trained = train_run(tiny_spec(*prepared, evaluate_every_steps=1, **BY_STEPS), run_dir=tmp_path)
    assert len(waited) == 2 * trained.n_steps
    assert trained.train_seconds >= sum(waited)
