"""One run of a study on a work pool: what a worker starts for `execution.engine: work_pool`."""

import platform
import signal
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from prefect import State, flow
from prefect.states import Completed, Failed

from bertft_core.artifacts.artifact_store import ArtifactStore
from bertft_core.config.execution_settings import ExecutionConfig
from bertft_core.training.devices import slot_environments
from bertft_core.training.mailbox import Mailbox
from bertft_core.training.remote import NodeSlot
from bertft_core.training.remote_jobs import LOG, Event, RemoteJob, failure_event
from tasks.engines.node_needs import cache_bytes, installed, node_dir, other_versions, store_out_of_sight
from tasks.process_environment import settle_environment


@flow(name="run-one", persist_result=False, log_prints=False)
def run_one(mailbox: str, store: str) -> State:
    """Carry out what a study has left in a mailbox of its store, and tell it there; for `bertft run`, not for people."""
    settle_environment()
    mail = Mailbox(ArtifactStore(store, node_dir() / "cache"), mailbox)
    request = mail.request()
    if request is None:
        raise store_out_of_sight(platform.node(), store)
    environment = slot_environments(ExecutionConfig.model_validate(request["execution"]))[0]
    with closing(NodeSlot(node_dir(), store, environment)) as slot:
        if threading.current_thread() is threading.main_thread():
            # the run stores its state and goes on elsewhere; in a thread, because this one may hold the locks that it needs
            signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=slot.drain).start())
        last = mail.report(events_of(slot, request), slot.close)
    if last is None or last["kind"] == "error":
        return Failed(message="the study wants it no more" if last is None else last["text"])
    return Completed()


def events_of(slot: NodeSlot, request: dict[str, Any]) -> Iterator[list[Event]]:
    """What the slot reports; whatever is raised is the last event."""
    try:
        if (found := installed()) != request["versions"]:
            raise other_versions(platform.node(), found, request["versions"])
        slot.limit_cache(cache_bytes())
        if "job" in request:
            yield from slot.carry_out(RemoteJob.model_validate(request["job"]))
        else:
            yield [{"kind": "kernels", "found": slot.probe_kernels(request["threads"])._asdict()}, {"kind": "done"}]
    except BaseException as error:  # the study decides what becomes of it
        yield [failure_event(error, log_path=slot.dir / LOG)]
