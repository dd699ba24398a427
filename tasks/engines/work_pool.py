"""Runs on the workers of a Prefect work pool: each is a flow run, on whatever infrastructure the pool is set up for.

Prefect leaves a flow run *Running* when its machine is lost, so the study listens for signs of life itself, and gives every
flow run its final state.
"""

import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from bertft_core.artifacts.artifact_keys import mail_key
from bertft_core.artifacts.artifact_store import ArtifactStore
from bertft_core.artifacts.store_address import default_address
from bertft_core.config import StudyConfig
from bertft_core.config.base import digest_of
from bertft_core.storage.study_dir import StudyDir
from bertft_core.training.kernel_probe import KernelProbe
from bertft_core.training.mailbox import SILENCE_SECONDS, TICK_SECONDS, Mailbox
from bertft_core.training.remote_jobs import ENDINGS, LEFT, Event, RemoteJob, failure_of
from bertft_core.training.remote_worker import NodeLost, RemoteRuns, RemoteWorker
from bertft_core.training.workers import SlotsClosing, WorkerDied, WorkerLeft
from tasks.engines.node_needs import installed
from tasks.engines.work_pool_refusals import does_not_start
from tasks.process_environment import keep_prefect_out_of_the_terminal

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

LOOK_EVERY_SECONDS = 3.0
"""For the state of a flow run."""
START_SECONDS = 600.0
"""For an infrastructure that a worker has begun to start: a node that joins, an image that is fetched."""
STARTS_IN_VAIN = 3
"""So many flow runs in a row that end without a sign of life are no accident."""
CLOSE_SECONDS = 5.0


class WorkPool:
    """The places of a study on a work pool; see `tasks.protocols.SlotPool`."""

    def __init__(self, study: StudyConfig, study_dir: StudyDir, *, force: bool) -> None:
        keep_prefect_out_of_the_terminal()
        from tasks.engines.flow_runs import FlowRuns  # imports Prefect

        execution = study.execution
        self._pool, address = str(execution.address), execution.store or default_address(study_dir.home_dir)
        self._execution = execution.model_copy(update={"slots": 1, "engine": "local"}).model_dump(
            mode="json", include={"slots", "engine", "device", "threads_per_run"}
        )
        self._store = ArtifactStore(address, study_dir.path / "arriving")
        self._runs = RemoteRuns(self._store, execution.upload_every_seconds, force=force)
        self._flow_runs = FlowRuns(execution.address, study.name, address)
        self.n = self._flow_runs.n_places if execution.slots == "auto" else execution.slots
        self._places, self._closed, self._changed = threading.Semaphore(self.n), threading.Event(), threading.Condition()
        self._waiting: set[str] = set()
        self._there: set[str] = set()
        """Keys of the mailboxes of attempts that wait for a node, and that have one."""
        self._tell: Callable[[str | None], object] = lambda text: None
        self._is_swept, self._in_vain = False, 0

    def listen(self, tell: Callable[[str | None], object]) -> None:
        """See `SlotPool.listen`."""
        self._tell = tell

    @contextmanager
    def lease(self) -> Iterator[RemoteWorker]:
        """A place in the pool. Raises `SlotsClosing` after `close`, in mid-run too, and `UserError` where no node can work."""
        while not self._places.acquire(timeout=TICK_SECONDS):
            self._raise_if_closed()
        try:
            self._raise_if_closed()
            yield RemoteWorker(self._runs, self._carry_out)
        except WorkerDied as death:
            if self._closed.is_set() and not isinstance(death, SlotsClosing):
                raise SlotsClosing("the study is stopping") from death
            raise
        finally:
            self._places.release()

    def probe_kernels(self, threads: int) -> KernelProbe:
        """What some node has measured; the others are taken to be like it."""
        while True:
            with (
                suppress(NodeLost, WorkerLeft),
                closing(self._converse({"threads": threads}, "kernels", "kernels", "cpu")) as heard,
            ):
                for event in (event for batch in heard for event in batch):
                    if event["kind"] == "kernels":
                        return KernelProbe(**event["found"])
                    if event["kind"] == "error":
                        raise failure_of(event)

    def close(self) -> None:
        """Cancel every flow run; runs in them raise `SlotsClosing`."""
        self._closed.set()
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting and not self._there, timeout=CLOSE_SECONDS)

    def __enter__(self) -> "WorkPool":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _carry_out(self, job: RemoteJob) -> Generator[list[Event]]:
        """See `remote_worker.CarryOut`."""
        name = job.spec.title if job.do == "train" else f"{job.spec.title} · probe"
        return self._converse({"job": job.model_dump(mode="json")}, job.spec.digest, name, job.spec.compute.device)

    def _converse(self, request: dict[str, Any], digest: str, name: str, queue: str) -> Generator[list[Event]]:
        """Submit a flow run and pass on its events; whatever happens, it has a final state afterwards."""
        from prefect.states import Cancelled, Completed, Crashed, Failed

        self._sweep()
        key = mail_key(digest if "job" in request else digest_of(request), uuid.uuid4().hex)
        mailbox, flow_run = Mailbox(self._store, key), None
        final: State = Cancelled(message="the study wants it no more")
        self._move(key, self._waiting)
        try:
            mailbox.ask(request | {"versions": installed(), "execution": self._execution})
            flow_run = self._submitted(name, key, queue)
            for batch in self._heard(mailbox, flow_run):
                if batch and (last := batch[-1])["kind"] in ENDINGS:
                    final = Completed() if last["kind"] == "done" else Failed(message=last["text"])
                    final = Cancelled(message=last["text"]) if last.get("of") == LEFT else final
                    yield batch
                    return
                yield batch
        except NodeLost as loss:
            final = Crashed(message=str(loss))
            raise
        finally:
            with suppress(Exception):  # the node then notices that nobody reads what it writes
                mailbox.remove()
            if flow_run is not None:
                self._flow_runs.end(flow_run, final)
            self._move(key, None)

    def _submitted(self, name: str, key: str, queue: str) -> uuid.UUID:
        """The flow run, as soon as the server takes it."""
        while True:
            self._raise_if_closed()
            try:
                return self._flow_runs.submit(name, key, queue)
            except Exception:  # of whatever kind: the server is away for a while
                self._closed.wait(LOOK_EVERY_SECONDS)

    def _heard(self, mailbox: Mailbox, flow_run: uuid.UUID) -> Iterator[list[Event]]:
        """What the node reports, as long as it does. Raises `NodeLost` where it is gone, and `UserError` where none can start."""
        has_answered, since, looked, state = False, time.monotonic(), float("-inf"), None
        while True:
            self._raise_if_closed()
            if time.monotonic() - looked > LOOK_EVERY_SECONDS:
                state, looked = self._flow_runs.state(flow_run), time.monotonic()
            batch = mailbox.read()
            if batch is not None:
                if not has_answered:
                    self._move(mailbox.key, self._there)
                has_answered, since, self._in_vain = True, time.monotonic(), 0
                yield batch
                continue
            if state is not None and state.is_scheduled():
                since = time.monotonic()  # no worker has taken it yet, which may last
            silence = time.monotonic() - since
            self._expect_alive(state, silence, has_answered)
            self._closed.wait(TICK_SECONDS)

    def _expect_alive(self, state: "State | None", silence: float, has_answered: bool) -> None:
        """Raise for a flow run that has ended without its job's end, or is silent for too long."""
        if state is not None and state.is_final():
            if not has_answered:
                self._in_vain += 1
                if state.is_failed() or self._in_vain >= STARTS_IN_VAIN:
                    raise does_not_start(self._pool, state.name or str(state.type), state.message)
            raise NodeLost(f"its flow run ended early ({state.name})")
        is_starting = not has_answered and (state is None or state.is_pending())
        if silence > (START_SECONDS if is_starting else SILENCE_SECONDS):
            raise NodeLost(f"its node has been silent for {silence:.0f} s")

    def _sweep(self) -> None:
        """Once, when this command is known to be the only one for the study: cancel what a killed one has left."""
        from prefect.states import Cancelled

        with self._changed:
            if self._is_swept:
                return
            self._is_swept = True
            with suppress(Exception):  # a study is worth more than the tidiness of its views
                for flow_run, key in self._flow_runs.left():
                    Mailbox(self._store, key).remove()
                    self._flow_runs.end(flow_run, Cancelled(message="the command that submitted it has ended"))

    def _raise_if_closed(self) -> None:
        if self._closed.is_set():
            raise SlotsClosing("the study is stopping")

    def _move(self, key: str, to: set[str] | None) -> None:
        """An attempt waits, has a node, or is over; tell what is waited for."""
        with self._changed:
            self._waiting.discard(key)
            self._there.discard(key)
            if to is not None:
                to.add(key)
            n, there = len(self._waiting) + len(self._there), len(self._there)
            self._tell(f"waiting for a node ({there} of {n} runs have one)" if self._waiting else None)
            self._changed.notify_all()


def open_pool(study: StudyConfig, study_dir: StudyDir, *, force: bool) -> WorkPool:
    """See `tasks.engines.engine.Engine`."""
    return WorkPool(study, study_dir, force=force)
