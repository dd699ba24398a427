"""The side of the study: store what a run needs, have it carried out on some node, bring back what it leaves."""

import contextlib
import itertools
import shutil
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Literal

from bertft_core.artifacts.artifact_keys import model_key, probes_key, run_key, state_key
from bertft_core.artifacts.artifact_store import ArtifactStore
from bertft_core.config.probe_settings import ProbesConfig
from bertft_core.records import RunRecord, RunSpec
from bertft_core.storage.damage import MODEL
from bertft_core.storage.study_dir import checked_record, write_record
from bertft_core.training.checkpoint import checkpoints
from bertft_core.training.curve_file import OnEvent, ignore
from bertft_core.training.remote import files_in
from bertft_core.training.remote_jobs import LOG, Event, Input, InputsLost, RemoteJob, data_of, encoder_of, failure_of
from bertft_core.training.state_uploads import CURVES
from bertft_core.training.workers import WorkerDied, WorkerLeft

CarryOut = Callable[[RemoteJob], Generator[list[Event]]]
"""Has a job carried out on a node, as `NodeSlot.carry_out` does it there. Raises `WorkerDied` where the node is lost."""
LOSSES_IN_PLACE = 3
"""Nodes that a run may lose in a row without coming further than before; after one more it may be the run that ends them."""
ARRIVING = "arriving"
"""Folder of a study in which results are until they are complete."""


class RemoteRuns:
    """What the runs of one study share: the store, and what is in it already."""

    def __init__(self, store: ArtifactStore, upload_every_seconds: float, *, force: bool = False) -> None:
        self.store, self.upload_every_seconds, self._force = store, upload_every_seconds, force
        self._stored: set[str] = set()
        self._discarded: set[str] = set()
        self._lock = threading.Lock()

    def job(self, do: Literal["train", "probe"], spec: RunSpec, probes: ProbesConfig | None = None) -> RemoteJob:
        """A job whose inputs are in the store. Raises `UserError` for an encoder without weights, and what the store raises."""
        data, encoder = data_of(spec), encoder_of(spec)
        for needed in (data, encoder):
            self.provide(needed)
        return RemoteJob(
            do=do,
            spec=spec,
            data=data.key,
            encoder=encoder.key,
            probes=probes,
            upload_every_seconds=self.upload_every_seconds,
        )

    def provide(self, needed: Input, *, replace: bool = False) -> None:
        """Store an input, once; with `replace` again, because a node has found it missing or damaged."""
        with self._lock:  # several runs start together with the same inputs
            if replace or needed.key not in self._stored:
                self.store.put(needed.key, needed.folder, needed.names, replace=replace)
                self._stored.add(needed.key)

    def provide_state(self, spec: RunSpec, run_dir: Path) -> None:
        """Store the newest state that is in the run's folder, unless the store has one that is as new."""
        key = state_key(spec.digest)
        if self._force and spec.digest not in self._discarded:
            self._discarded.add(spec.digest)
            self.store.delete(key)
        found = checkpoints(run_dir / "checkpoint")
        if not found or found[-1].name <= max((Path(name).parent.name for name in self.store.names(key)), default=""):
            return
        names = [path.relative_to(run_dir).as_posix() for path in found[-1].iterdir()]
        self.store.put(key, run_dir, [*names, CURVES], replace=True)

    def bring_back(self, spec: RunSpec, run_dir: Path) -> None:
        """Put the result in the run's folder, whole or not at all; afterwards the store has nothing of the run any more."""
        arriving = run_dir.parent.parent / ARRIVING / run_dir.name
        shutil.rmtree(arriving, ignore_errors=True)
        self.store.fetch(run_key(spec.digest), arriving)
        shutil.rmtree(run_dir, ignore_errors=True)
        run_dir.parent.mkdir(parents=True, exist_ok=True)
        arriving.rename(run_dir)
        self.forget(run_key(spec.digest), state_key(spec.digest))

    def forget(self, *keys: str) -> None:
        """Delete what nobody needs any more, if the store is there: what is done stays done."""
        for key in keys:
            with contextlib.suppress(Exception):  # of whatever kind a store has
                self.store.delete(key)


class NodeLost(WorkerDied):
    """The node, or the slot on it, is gone: no fault of the run, as far as anybody knows."""


class Losses:
    """The nodes that a run has lost while it was on them; it listens to the run's events."""

    def __init__(self, on_event: OnEvent) -> None:
        self.n, self._in_place = 0, 0
        self._on_event, self._begun, self._step = on_event, False, 0

    def on_event(self, event: Event) -> None:
        """The run reports."""
        if event["kind"] == "started":
            step = event["resumed_from_step"] or 0
            if step > self._step:
                self._step, self._in_place = step, 0
            self._begun = True
        self._on_event(event)

    def add(self, loss: WorkerDied) -> None:
        """Count a loss. Raises it where the run has lost too many nodes without coming any further."""
        if not self._begun:
            return
        self.n, self._in_place, self._begun = self.n + 1, self._in_place + 1, False
        if self._in_place > LOSSES_IN_PLACE:
            raise loss
        self._on_event({"kind": "problem", "text": f"{loss}; the run goes on elsewhere from its last stored state"})


class RemoteWorker:
    """Carries out runs on nodes, one at a time; see `tasks.protocols.RunWorker`."""

    def __init__(self, runs: RemoteRuns, carry_out: CarryOut) -> None:
        self._runs, self._carry_out = runs, carry_out

    def run(self, spec: RunSpec, run_dir: Path, on_event: OnEvent) -> None:
        """Train one run; returns when its record is in `run_dir`. Raises as `Worker.run` does.

        A run whose node is lost goes on elsewhere from its last stored state, which uses up no retry.
        """
        job = self._runs.job("train", spec)
        self._runs.provide_state(spec, run_dir)
        losses = Losses(on_event)
        self._carry_to_the_end(job, [data_of(spec), encoder_of(spec)], run_dir, losses)
        self._runs.bring_back(spec, run_dir)
        if losses.n:
            record = checked_record(run_dir / "record.json", RunRecord)
            write_record(run_dir / "record.json", record.model_copy(update={"attempts": record.attempts + losses.n}))

    def probe(self, spec: RunSpec, run_dir: Path, probes: ProbesConfig) -> None:
        """Probe the model of a run; returns when `probes.json` is there. Raises as `Worker.probe` does."""
        store, key = self._runs.store, model_key(spec.digest)
        model = Input(key, run_dir, tuple(name for name in files_in(run_dir) if name.startswith(f"{MODEL}/")))
        try:
            store.put(*model, replace=True)
            inputs = [data_of(spec), encoder_of(spec), model]
            self._carry_to_the_end(self._runs.job("probe", spec, probes), inputs, run_dir, Losses(ignore))
            store.fetch(probes_key(spec.digest), run_dir)
        finally:
            self._runs.forget(key, probes_key(spec.digest))

    def _carry_to_the_end(self, job: RemoteJob, inputs: list[Input], run_dir: Path, losses: Losses) -> None:
        """On one node after the other, as long as nodes are lost or leave."""
        while True:
            try:
                return self._converse(job, inputs, run_dir, losses.on_event)
            except (NodeLost, WorkerLeft) as loss:
                losses.add(loss)

    def _converse(self, job: RemoteJob, inputs: list[Input], run_dir: Path, on_event: OnEvent) -> None:
        """Pass on what the node reports until the job is done; once more where what it needs was damaged in the store."""
        try:
            self._pass_on(job, run_dir, on_event)
        except InputsLost as loss:
            on_event({"kind": "problem", "text": f"{loss}; it is stored again"})
            for needed in inputs:
                self._runs.provide(needed, replace=True)
            self._pass_on(job, run_dir, on_event)

    def _pass_on(self, job: RemoteJob, run_dir: Path, on_event: OnEvent) -> None:
        """Raises as the job ended, and `WorkerDied` where its end never came."""
        with contextlib.closing(self._carry_out(job)) as batches:
            for event in itertools.chain.from_iterable(batches):
                if event["kind"] == "done":
                    return
                if event["kind"] == "error":
                    append(run_dir / LOG, event["log"])
                    raise failure_of(event)
                on_event(event)
        raise WorkerDied("the node ended before the run did")


def append(path: Path, text: str) -> None:
    """To a file that need not be there."""
    if text:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
