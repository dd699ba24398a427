"""The runs behind a certificate: one run of a study, shortened, carried out in all the ways that must make no difference."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bertft_core.records import RunRecord, RunSpec
from bertft_core.training.retraining import fresh_worker, isolated, train_again, trained_by
from bertft_core.training.slots import Worker, WorkerDied

N_STEPS = 20
"""At most."""
ENDLESS = 1_000_000
BY_VALIDATION = ("early_stopping", "swa")
"""Strategies whose very meaning is when the run is validated."""
KILL_TRIES = 3


class Carried(NamedTuple):
    """What was done for one check: two runs to compare, or a number."""

    check: str
    reference_dir: Path | None = None
    other_dir: Path | None = None
    told: str = ""
    """What happened on the way, for the reader."""
    error: float | None = None
    """Of the gradient; see `accumulation_error`."""


def shortened(record: RunRecord) -> RunSpec:
    """The run with its first steps alone, validated in the middle and at the end, predicting the validation set."""
    spec = record.spec
    n_steps = max(1, min(N_STEPS, record.planned_steps))
    changes = {"max_steps": n_steps, "epochs": None, "evaluate_every_steps": max(1, n_steps // 2), "evaluate_every_epochs": None}
    training = type(spec.training).model_validate(spec.training.model_dump() | changes)
    kept = {"evaluated_splits": ("validation",), "keep_model": False, "prune_below": {}}
    return spec.model_copy(update={"training": training} | kept)


def carry_out(spec: RunSpec, folder: Path, on_check: Callable[[str], None] = lambda check: None) -> Iterator[Carried]:
    """Everything that `spec` (see `shortened`) is trained for, check by check; all files lie in `folder`.

    Raises `UserError`, `RunFailed` or `WorkerDied` when a run cannot be trained at all.
    """
    spec = isolated(spec, folder / "data")
    reference = folder / "reference"
    workers = [fresh_worker(spec, folder / f"worker-{n}.log") for n in range(2)]
    try:
        on_check("same_seed")
        trained_by(workers[0], spec, reference)
        trained_by(workers[1], spec, folder / "same_seed")
        yield Carried("same_seed", reference, folder / "same_seed")
        on_check("reused_worker")
        trained_by(workers[0], reseeded(spec), folder / "between")
        trained_by(workers[0], spec, folder / "reused_worker")
        told = "after the same run and another one in the same process"
        yield Carried("reused_worker", reference, folder / "reused_worker", told)
        on_check("evaluation_cadence")
        yield _with_other_cadence(workers[0], spec, folder)
        on_check("accumulation")
        yield _accumulated(workers[0], spec, folder)
        on_check("beside_others")
        yield _beside_another(workers[0], spec, reference, folder)
        on_check("kill_and_resume")
        yield _killed_and_resumed(workers[1], spec, reference, folder)
    finally:
        for worker in workers:
            worker.kill()


def reseeded(spec: RunSpec) -> RunSpec:
    """Another run of the same setting."""
    seeds = {name: value ^ 1 for name, value in spec.seeds.model_dump().items()}
    return spec.model_copy(update={"seeds": spec.seeds.model_copy(update=seeds)})


def _with_training(spec: RunSpec, **changes: Any) -> RunSpec:
    return spec.model_copy(update={"training": spec.training.model_copy(update=changes)})


def _with_other_cadence(worker: Worker, spec: RunSpec, folder: Path) -> Carried:
    """After every step, and after the last one alone."""
    left_out = [strategy.kind for strategy in spec.strategies if strategy.kind in BY_VALIDATION]
    kept = tuple(strategy for strategy in spec.strategies if strategy.kind not in BY_VALIDATION)
    spec = spec.model_copy(update={"strategies": kept})
    for name, every in {"often": 1, "once": ENDLESS}.items():
        trained_by(worker, _with_training(spec, evaluate_every_steps=every), folder / name)
    told = "validated after every step, and after the last one alone"
    if left_out:
        told += f"; without {' and '.join(left_out)}, which validation decides"
    return Carried("evaluation_cadence", folder / "often", folder / "once", told)


def _accumulated(worker: Worker, spec: RunSpec, folder: Path) -> Carried:
    found = worker.accumulate(spec, folder / "accumulation")
    if found["n_passes"] < 2:
        return Carried("accumulation", told="a batch of one example cannot be cut")
    told = f"the first step's {found['n_examples']} examples in {found['n_passes']} passes and in one"
    return Carried("accumulation", told=told, error=found["error"])


def _beside_another(worker: Worker, spec: RunSpec, reference: Path, folder: Path) -> Carried:
    """The other run trains all the while in the worker, which is ended, and the run in a fresh process on the same device."""
    beside = _with_training(reseeded(spec), max_steps=ENDLESS, evaluate_every_steps=ENDLESS)
    trains = threading.Event()

    def train() -> None:
        try:
            worker.run(beside, folder / "beside", lambda event: trains.set() if event["kind"] == "step" else None)
        except WorkerDied:
            pass  # as it must end
        finally:
            trains.set()

    thread = threading.Thread(target=train, daemon=True)
    thread.start()
    try:
        trains.wait()
        train_again(spec, folder / "beside_others")
        overlapped = thread.is_alive()
    finally:
        worker.kill()
        thread.join()
    told = "while another run trained" if overlapped else "another run was started beside it, and had ended before"
    return Carried("beside_others", reference, folder / "beside_others", told)


def _killed_and_resumed(worker: Worker, spec: RunSpec, reference: Path, folder: Path) -> Carried:
    """The worker is killed while the run saves its state in the middle; then it is gone on with in a new process."""
    run_dir = folder / "kill_and_resume"
    n_steps = spec.training.max_steps or 1
    every = max(1, n_steps // 4)
    saving = spec.model_copy(update={"checkpoint_every_steps": every})
    at_step = min(2 * every, n_steps)
    if not any(_killed(worker if n == 0 else None, saving, run_dir, at_step) for n in range(KILL_TRIES)):
        return Carried("kill_and_resume", told="the run had always ended before it could be killed")
    resumed: list[int | None] = []
    train_again(saving, run_dir, on_event=lambda e: resumed.append(e["resumed_from_step"]) if e["kind"] == "started" else None)
    went_on = "from the beginning" if resumed[0] is None else f"from step {resumed[0]}"
    told = f"killed (SIGKILL) while it saved its state after step {at_step} of {n_steps}; went on {went_on} in a new process"
    return Carried("kill_and_resume", reference, run_dir, told)


def _killed(given: Worker | None, spec: RunSpec, run_dir: Path, at_step: int) -> bool:
    """Start the run, in a fresh process where none is given, and kill the process; False when it was too late."""
    shutil.rmtree(run_dir, ignore_errors=True)
    worker = given or fresh_worker(spec, run_dir.parent / "killed.log")

    def kill(event: dict[str, Any]) -> None:
        if event["kind"] == "saving" and event["step"] >= at_step:
            os.kill(worker.pid, signal.SIGKILL)

    try:
        worker.run(spec, run_dir, kill)
    except WorkerDied:
        pass
    finally:
        worker.kill()
    return not (run_dir / "record.json").exists()
