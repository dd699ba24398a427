"""The side of a node: fetch what a run needs, train it in a warm worker as on one machine, store its states and its result.

Knows no engine: whatever starts a `NodeSlot` on a node calls `carry_out` and passes on the events. Folders in the specs that a
worker gets are the node's own; what is stored names the study's again.
"""

import contextlib
import queue
import shutil
import threading
import time
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from bertft_core.artifacts.artifact_keys import model_key, probes_key, run_key, state_key
from bertft_core.artifacts.artifact_store import ArtifactDamaged, ArtifactMissing, ArtifactStore
from bertft_core.records import RunRecord, RunSpec
from bertft_core.storage.disk_errors import disk_user_error
from bertft_core.storage.study_dir import PROBES_FILE, checked_record, write_record
from bertft_core.training.curve_file import OnEvent
from bertft_core.training.kernel_probe import KernelProbe
from bertft_core.training.remote_jobs import ENDINGS, LOG, Event, InputsLost, RemoteJob, failure_event
from bertft_core.training.slots import Slots
from bertft_core.training.state_uploads import StateUploads
from bertft_core.training.workers import WorkerLeft

BATCH_SECONDS = 0.1
"""Events of this time travel together: each message costs more than an event is worth."""


class NodeSlot:
    """One slot of a node: a warm worker, and this node's copies of what runs need. Carries out one job at a time."""

    def __init__(self, node_dir: Path, store_address: str, environment: dict[str, str]) -> None:
        self._store = ArtifactStore(store_address, node_dir / "cache")
        remove_left_slots(node_dir)
        self.dir = node_dir / "slots" / uuid.uuid4().hex[:12]
        self.dir.mkdir(parents=True)
        self._lock = FileLock(self.dir / "lock")
        self._lock.acquire()
        self._slots = Slots([environment], self.dir / "logs")
        self._leaving = threading.Event()

    def limit_cache(self, limit_bytes: int) -> None:
        """Have no more than this in the node's cache, apart from what is in use."""
        self._store.limit_bytes = limit_bytes

    def carry_out(self, job: RemoteJob) -> Generator[list[Event]]:
        """Train or probe; events as they come, several at a time, the last one of kind `done` or `error`.

        Whoever stops listening before the end stops the job, and its worker with it.
        """
        events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        left = threading.Event()

        def tell(event: Event) -> None:
            if left.is_set():
                raise ListenerLeft
            events.put(event)

        work = threading.Thread(target=self._work, args=(job, tell, events.put), daemon=True)
        work.start()
        try:
            yield from batches_of(events)
        finally:
            left.set()
            if work.is_alive() and events.empty():
                self._slots.interrupt()
            work.join()

    def probe_kernels(self, threads: int) -> KernelProbe:
        """See `Slots.probe_kernels`."""
        return self._slots.probe_kernels(threads)

    def drain(self) -> None:
        """The node is being shut down: a run stores the state after its current step and ends with `WorkerLeft`.

        A job that has not begun to train ends with it at once; one that probes goes on.
        """
        self._leaving.set()
        self._slots.leave()

    def fetched_bytes(self) -> int:
        """What this slot has downloaded so far."""
        return self._store.fetched_bytes

    def close(self) -> None:
        """End the worker, and remove all but the copies that the next slot can use."""
        self._slots.close()
        shutil.rmtree(self.dir, ignore_errors=True)
        self._lock.release()

    def _work(self, job: RemoteJob, tell: OnEvent, end: OnEvent) -> None:
        run_dir = self.dir / "run"
        shutil.rmtree(run_dir, ignore_errors=True)
        try:
            self._go_on_if_not_leaving()
            {"train": self._train, "probe": self._probe}[job.do](job, run_dir, tell)
            end({"kind": "done"})
        except BaseException as error:  # the study decides what becomes of it
            end(failure_event(disk_user_error(error) or error, log_path=run_dir / LOG))
        finally:
            shutil.rmtree(run_dir, ignore_errors=True)

    def _train(self, job: RemoteJob, run_dir: Path, tell: OnEvent) -> None:
        spec, digest = self._spec_here(job), job.spec.digest
        try:
            self._store.fetch(state_key(digest), run_dir)
        except ArtifactMissing:
            pass  # the run has not begun
        except ArtifactDamaged as damage:
            shutil.rmtree(run_dir, ignore_errors=True)
            tell({"kind": "problem", "text": f"{damage}; the run starts over"})
        uploads = StateUploads(self._store, state_key(digest), run_dir, self.dir / "snapshot", job.upload_every_seconds, tell)
        with self._slots.lease() as worker, uploads:
            self._go_on_if_not_leaving()  # from here on `drain` reaches this worker
            worker.run(spec, run_dir, tell)
        record = checked_record(run_dir / "record.json", RunRecord)
        write_record(run_dir / "record.json", record.model_copy(update={"spec": job.spec}))
        write_record(run_dir / "spec.json", job.spec)
        self._store.put(run_key(digest), run_dir, files_in(run_dir), replace=True)

    def _probe(self, job: RemoteJob, run_dir: Path, tell: OnEvent) -> None:
        assert job.probes is not None
        spec, digest = self._spec_here(job), job.spec.digest
        with missing_is_lost():
            self._store.fetch(model_key(digest), run_dir)
        tell({"kind": "started", "resumed_from_step": None})  # from here on a lost node may be its fault
        with self._slots.lease() as worker:
            worker.probe(spec, run_dir, job.probes)
        self._store.put(probes_key(digest), run_dir, [PROBES_FILE], replace=True)

    def _go_on_if_not_leaving(self) -> None:
        if self._leaving.is_set():
            raise WorkerLeft("the node is being shut down")

    def _spec_here(self, job: RemoteJob) -> RunSpec:
        with missing_is_lost():
            here = {"prepared_dir": str(self._store.get(job.data)), "encoder_dir": str(self._store.get(job.encoder))}
        return job.spec.model_copy(update=here)


class ListenerLeft(RuntimeError):
    """Nobody hears the events of this job any more."""


def batches_of(events: "queue.SimpleQueue[Event]") -> Generator[list[Event]]:
    """All events up to the last one, those of a short time together."""
    batch: list[Event] = []
    while not batch or batch[-1]["kind"] not in ENDINGS:
        batch = [events.get()]
        if batch[0]["kind"] == "step":
            time.sleep(BATCH_SECONDS)
        with contextlib.suppress(queue.Empty):
            while True:
                batch.append(events.get_nowait())
        yield batch


@contextlib.contextmanager
def missing_is_lost() -> Iterator[None]:
    """Raise `InputsLost` for an artifact that the study has to store again."""
    try:
        yield
    except (ArtifactMissing, ArtifactDamaged) as error:
        raise InputsLost(str(error)) from None


def files_in(folder: Path) -> list[str]:
    """Names of all files, the half-written ones of a kill left out."""
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and not path.match(".*.part")]


def remove_left_slots(node_dir: Path) -> None:
    """Remove the folders of slots whose processes were killed: nobody holds their locks."""
    for folder in (node_dir / "slots").glob("*"):
        with contextlib.suppress(Timeout, OSError), FileLock(folder / "lock", timeout=0):
            shutil.rmtree(folder, ignore_errors=True)
