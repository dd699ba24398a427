"""Runs on the nodes of a Ray cluster: actors that are kept, one per slot, each with a warm worker process of its own.

Nothing but Ray's core is used: it places actors by CPUs and shares of GPUs, and says which are lost.
"""

import logging
import os
import signal
import threading
import uuid
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray
from ray.exceptions import RayError, RayTaskError

from bertft_core.artifacts.artifact_store import ArtifactStore
from bertft_core.artifacts.store_address import default_address
from bertft_core.config import StudyConfig, UserError
from bertft_core.config.execution_settings import ExecutionConfig
from bertft_core.storage.study_dir import StudyDir
from bertft_core.training.devices import slot_environments, visible_gpus
from bertft_core.training.kernel_probe import KernelProbe
from bertft_core.training.remote import NodeSlot
from bertft_core.training.remote_jobs import ENDINGS, LEFT, Event, RemoteJob
from bertft_core.training.remote_worker import NodeLost, RemoteRuns, RemoteWorker
from bertft_core.training.workers import RunFailed, SlotsClosing, WorkerDied
from tasks.engines.node_needs import cache_bytes, installed, node_dir, other_versions, store_out_of_sight
from tasks.engines.node_pool import NodePool
from tasks.engines.ray_needs import gpus_per_run, places
from tasks.engines.ray_refusals import (
    no_cluster,
    refuse_open_cluster,
    slot_does_not_start,
)

GOODBYE_SECONDS = 5.0
LOOK_EVERY_SECONDS = 1.0
"""For nodes that are being shut down: Ray gives them 30 s by default."""
CREATION = "creation task"
"""In Ray's text for an actor that could not be made where it was placed, because bertft is not installed there."""
IN_SIGHT = "in-sight"
"""Kind of the key of what a node looks for, to find out whether it sees the study's store."""


class NodeActor:
    """One slot, in a process of Ray's on some node."""

    def start(self, address: str, in_sight: str, execution: str, versions: dict[str, str | None]) -> str:
        """Start the worker; Ray's id of the node. The store has something under the key `in_sight`.

        Raises `UserError` where this node cannot carry out the runs of the study.
        """
        found = installed()
        if found != versions:
            raise other_versions(ray.util.get_node_ip_address(), found, versions)
        if not ArtifactStore(address, node_dir() / "cache").has(in_sight):
            raise store_out_of_sight(ray.util.get_node_ip_address(), address)
        environment, limit_bytes = slot_environments(ExecutionConfig.model_validate_json(execution))[0], cache_bytes()
        self._slot = NodeSlot(node_dir(), address, environment)
        self._slot.limit_cache(limit_bytes)
        return str(ray.get_runtime_context().get_node_id())

    def carry_out(self, job: str) -> Generator[list[Event]]:
        """See `NodeSlot.carry_out`; the job is JSON."""
        yield from self._slot.carry_out(RemoteJob.model_validate_json(job))

    def probe_kernels(self, threads: int) -> dict[str, Any]:
        """See `Slots.probe_kernels`."""
        return self._slot.probe_kernels(threads)._asdict()

    def facts(self) -> dict[str, Any]:
        """The address of the node, its GPUs that this slot may use, and how many bytes it has fetched."""
        node, fetched_bytes = ray.util.get_node_ip_address(), self._slot.fetched_bytes()
        return {"node": node, "gpus": visible_gpus(), "fetched_bytes": fetched_bytes}

    def drain(self) -> None:
        """See `NodeSlot.drain`."""
        self._slot.drain()

    def close(self) -> None:
        """End the worker and clean up."""
        self._slot.close()


class RayPool:
    """The slots of a study in a cluster; see `tasks.protocols.SlotPool`."""

    def __init__(self, study: StudyConfig, study_dir: StudyDir, *, force: bool) -> None:
        execution = study.execution
        self._address = execution.store or default_address(study_dir.home_dir)
        self._execution = execution.model_copy(update={"slots": 1, "engine": "local"}).model_dump_json(exclude_defaults=True)
        store = ArtifactStore(self._address, study_dir.path / "arriving")
        self._runs = RemoteRuns(store, execution.upload_every_seconds, force=force)
        connect(execution.address)
        needs = {"num_cpus": execution.threads_per_run, "num_gpus": gpus_per_run(execution)}
        self._in_sight = put_in_sight(store)
        self._make = ray.remote(NodeActor).options(  # type: ignore[call-overload]
            **needs, max_restarts=0, max_task_retries=0, max_concurrency=4, scheduling_strategy="SPREAD"
        )
        there = places(needs, ray.cluster_resources())
        n = max(1, there) if execution.slots == "auto" else execution.slots
        self._answered: dict[Any, str] = {}
        """Actor → the node that it is on; only of those that have answered."""
        self._asked_to_leave: set[Any] = set()
        self._closed = threading.Event()
        self._nodes: NodePool[Any] = NodePool(n, self._make.remote, self._wait_for, self._end)
        self._nodes.warm_up(there)
        threading.Thread(target=self._drain_nodes, daemon=True).start()

    @property
    def n(self) -> int:
        return self._nodes.n

    def listen(self, tell: Any) -> None:
        """See `NodePool.listen`."""
        self._nodes.listen(tell)

    @contextmanager
    def lease(self) -> Iterator[RemoteWorker]:
        """A worker on some node. Raises `SlotsClosing` after `close`, in mid-run too, and `UserError` where no node can work."""
        lease = Lease(self._nodes)
        try:
            yield RemoteWorker(self._runs, lease.carry_out)
        except WorkerDied as death:
            if self._nodes.closed and not isinstance(death, SlotsClosing):
                raise SlotsClosing("the study is stopping") from death
            raise
        finally:
            lease.give_back()

    def probe_kernels(self, threads: int) -> KernelProbe:
        """What a worker on some node has measured; the others are taken to be like it."""
        while True:
            lease = Lease(self._nodes)
            try:
                with lost_nodes(self._nodes):
                    return KernelProbe(**ray.get(lease.actor.probe_kernels.remote(threads)))
            except NodeLost:
                lease.discard()
            finally:
                lease.give_back()

    def close(self) -> None:
        """End every slot; runs in them raise `SlotsClosing`."""
        self._closed.set()
        self._nodes.close()
        with suppress(Exception):
            self._runs.store.delete(self._in_sight)
        ray.shutdown()

    def __enter__(self) -> "RayPool":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _wait_for(self, actor: Any) -> None:
        """Until the actor has a node and its worker starts. Raises as `NodePool` wants it."""
        try:
            with lost_nodes(self._nodes):
                node = ray.get(actor.start.remote(self._address, self._in_sight, self._execution, installed()))
        except RunFailed as error:
            raise slot_does_not_start(str(error)) from None
        self._answered[actor] = node

    def _end(self, actor: Any) -> None:
        """End an actor and what it started; Ray kills one that does not answer, or has no node yet."""
        if self._answered.pop(actor, None) is not None:
            with suppress(RayError):
                ray.wait([actor.close.remote()], timeout=GOODBYE_SECONDS)
        ray.kill(actor)

    def _drain_nodes(self) -> None:
        """Have runs leave the nodes that are being shut down, until the pool closes; Ray itself has an API for it only inside."""
        while not self._closed.wait(LOOK_EVERY_SECONDS):
            try:
                leaving = ray._private.state.state.get_draining_nodes()
            except Exception:  # the head does not answer: neither do the nodes, which runs notice
                continue
            for actor in [actor for actor, node in list(self._answered.items()) if node in leaving]:
                if actor not in self._asked_to_leave:
                    self._asked_to_leave.add(actor)
                    actor.drain.remote()
                    self._nodes.withdraw(actor)


class Lease:
    """A slot for one run, replaced when its node is lost."""

    def __init__(self, nodes: NodePool[Any]) -> None:
        self._nodes, self.actor = nodes, nodes.take()

    def carry_out(self, job: RemoteJob) -> Generator[list[Event]]:
        """See `remote_worker.CarryOut`."""
        if self.actor is None:
            self.actor = self._nodes.take()
        batch: list[Event] = []
        try:
            with lost_nodes(self._nodes):
                for reference in self.actor.carry_out.options(num_returns="streaming").remote(job.model_dump_json()):
                    batch = ray.get(reference)
                    yield batch
        finally:
            last = batch[-1] if batch else {"kind": None}
            if last["kind"] not in ENDINGS or last.get("of") == LEFT:  # it is lost or leaves, or its run is not wanted any more
                self.discard()

    def discard(self) -> None:
        """The slot is not used again."""
        if self.actor is not None:
            self._nodes.lose(self.actor)
            self.actor = None

    def give_back(self) -> None:
        """The next run may have the slot."""
        if self.actor is not None:
            self._nodes.give_back(self.actor)
            self.actor = None


def open_pool(study: StudyConfig, study_dir: StudyDir, *, force: bool) -> RayPool:
    """See `tasks.engines.engine.Engine`."""
    return RayPool(study, study_dir, force=force)


@contextmanager
def lost_nodes(nodes: NodePool[Any]) -> Iterator[None]:
    """Raise `NodeLost` for whatever Ray says when a slot does not answer, and what a slot itself has raised as that."""
    try:
        yield
    except RayTaskError as error:
        cause = error.cause
        if isinstance(cause, UserError | SlotsClosing):
            raise cause from None
        raise RunFailed(f"{type(cause).__name__}: {cause}") from None
    except RayError as error:
        if nodes.closed:
            raise SlotsClosing("the study is stopping") from None
        if CREATION in str(error):
            raise slot_does_not_start(str(error).strip().splitlines()[-1]) from None
        raise NodeLost(f"a node was lost ({type(error).__name__})") from None


def connect(address: str | None) -> None:
    """Join a cluster as a driver. Raises `UserError` where there is none, or where others could join it too."""
    if address is not None:
        refuse_open_cluster(address)
    if ray.is_initialized():  # by an earlier study of this process
        ray.shutdown()
    ray._private.worker.print_to_stdstream = hear_nothing
    handler = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address or "auto", log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
        refuse_open_cluster(ray.get_runtime_context().gcs_address)
    except (ConnectionError, RayError, ValueError, RuntimeError) as error:
        raise no_cluster(address, error) from None
    except UserError:
        ray.shutdown()
        raise
    finally:
        if handler is not None:
            signal.signal(signal.SIGTERM, handler)  # Ray puts its own in place of ours


def hear_nothing(data: Any, ignore_prefix: bool) -> None:
    """In place of what writes Ray's own messages, such as of a lost node, to our stdout; it has no setting for that."""


def put_in_sight(store: ArtifactStore) -> str:
    """Leave something in the store by which a node knows that it sees the same one; its key."""
    key = f"{IN_SIGHT}/{uuid.uuid4().hex}"
    store.put(key, Path(), [])
    return key
