"""The runs behind a certificate: a run of a study, shortened, trained in every way that must make no difference."""

import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bertft_core.records import RunRecord, RunSpec
from bertft_core.records.verification_record import CheckDetails
from bertft_core.training.retraining import fresh_worker, isolated, train_again, trained_by
from bertft_core.training.workers import Worker, WorkerDied

N_STEPS = 20
"""At most."""
ENDLESS = 1_000_000
BY_VALIDATION = ("early_stopping", "swa")
"""Strategies that depend on when the run is validated."""
KILL_TRIES = 3


class CheckRuns(NamedTuple):
    """What was trained for one check: two runs to compare, or a number."""

    check: str
    reference_dir: Path | None = None
    other_dir: Path | None = None
    details: CheckDetails = CheckDetails()
    gradient_error: float | None = None
    """See `accumulation_error`."""


def shortened(record: RunRecord) -> RunSpec:
    """Only the first steps of the run, validated in the middle and at the end, predicting the validation set."""
    spec = record.spec
    n_steps = max(1, min(N_STEPS, record.planned_steps))
    changes = {"max_steps": n_steps, "epochs": None, "evaluate_every_steps": max(1, n_steps // 2), "evaluate_every_epochs": None}
    training = type(spec.training).model_validate(spec.training.model_dump() | changes)
    kept = {"evaluated_splits": ("validation",), "keep_model": False, "prune_below": {}}
    return spec.model_copy(update={"training": training} | kept)


def carry_out(spec: RunSpec, folder: Path, on_check: Callable[[str], None] = lambda check: None) -> Iterator[CheckRuns]:
    """Train everything that the checks of `spec` (see `shortened`) need, check by check; all files are written below `folder`.

    Raises `UserError`, `RunFailed` or `WorkerDied` when a run cannot be trained at all.
    """
    spec = isolated(spec, folder / "data")
    reference = folder / "reference"
    workers = [fresh_worker(spec, folder / f"worker-{n}.log") for n in range(2)]
    try:
        on_check("same_seed")
        trained_by(workers[0], spec, reference)
        trained_by(workers[1], spec, folder / "same_seed")
        yield CheckRuns("same_seed", reference, folder / "same_seed")
        on_check("reused_worker")
        trained_by(workers[0], reseeded(spec), folder / "between")
        trained_by(workers[0], spec, folder / "reused_worker")
        yield CheckRuns("reused_worker", reference, folder / "reused_worker")
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
    """The same setting with other seeds."""
    seeds = {name: value ^ 1 for name, value in spec.seeds.model_dump().items()}
    return spec.model_copy(update={"seeds": spec.seeds.model_copy(update=seeds)})


def _with_training(spec: RunSpec, **changes: Any) -> RunSpec:
    return spec.model_copy(update={"training": spec.training.model_copy(update=changes)})


def _with_other_cadence(worker: Worker, spec: RunSpec, folder: Path) -> CheckRuns:
    """Validated after every step, and only after the last one."""
    left_out = tuple(strategy.kind for strategy in spec.strategies if strategy.kind in BY_VALIDATION)
    kept = tuple(strategy for strategy in spec.strategies if strategy.kind not in BY_VALIDATION)
    spec = spec.model_copy(update={"strategies": kept})
    for name, every in {"often": 1, "once": ENDLESS}.items():
        trained_by(worker, _with_training(spec, evaluate_every_steps=every), folder / name)
    return CheckRuns("evaluation_cadence", folder / "often", folder / "once", CheckDetails(left_out=left_out))


def _accumulated(worker: Worker, spec: RunSpec, folder: Path) -> CheckRuns:
    found = worker.accumulate(spec, folder / "accumulation")
    details = CheckDetails(n_examples=found["n_examples"], n_passes=found["n_passes"])
    return CheckRuns("accumulation", details=details, gradient_error=found["error"] if found["n_passes"] > 1 else None)


def _beside_another(worker: Worker, spec: RunSpec, reference: Path, folder: Path) -> CheckRuns:
    """The other run keeps training in the worker, which is then killed; the run itself in a fresh process on the same device."""
    beside = _with_training(reseeded(spec), max_steps=ENDLESS, evaluate_every_steps=ENDLESS)
    trains = threading.Event()

    def train() -> None:
        try:
            worker.run(beside, folder / "beside", lambda event: trains.set() if event["kind"] == "step" else None)
        except WorkerDied:
            pass  # it is killed below
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
    return CheckRuns("beside_others", reference, folder / "beside_others", CheckDetails(overlapped=overlapped))


def _killed_and_resumed(worker: Worker, spec: RunSpec, reference: Path, folder: Path) -> CheckRuns:
    """The worker is killed while the run saves its state halfway; then the run resumes in a new process."""
    run_dir = folder / "kill_and_resume"
    n_steps = spec.training.max_steps or 1
    every = max(1, n_steps // 4)
    saving = spec.model_copy(update={"checkpoint_every_steps": every})
    at_step = min(2 * every, n_steps)
    if not any(_killed(worker if n == 0 else None, saving, run_dir, at_step) for n in range(KILL_TRIES)):
        return CheckRuns("kill_and_resume")
    resumed: list[int | None] = []
    train_again(saving, run_dir, on_event=lambda e: resumed.append(e["resumed_from_step"]) if e["kind"] == "started" else None)
    details = CheckDetails(killed_after_step=at_step, resumed_from_step=resumed[0])
    return CheckRuns("kill_and_resume", reference, run_dir, details)


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
