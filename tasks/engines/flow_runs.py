"""The flow runs of a study on a work pool, by Prefect's client."""

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import State, StateType, WorkerStatus
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_REQUEST_TIMEOUT, PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Cancelled

from bertft_core.config import UserError
from tasks.engines.work_pool_refusals import no_pool, no_server, no_worker

FLOW, ENTRYPOINT = "run-one", "flows.run_one.run_one"
OPEN = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.CANCELLING, StateType.PAUSED]
PAGE = 200
AT_ONCE = {PREFECT_CLIENT_MAX_RETRIES: 0, PREFECT_API_REQUEST_TIMEOUT: 5.0}
"""For a question that is asked again soon: with its retries, Prefect's client waits for minutes where nobody answers."""
VARIABLES = {"env": {"PYTHONSAFEPATH": "1"}}
"""A file in the folder where a worker was started is not imported in place of a module."""


class FlowRuns:
    """What one command submits to a pool. Methods may be called from any thread."""

    def __init__(self, pool: str | None, study: str, store: str) -> None:
        """`store` is the address by which the flow runs of one study are distinguished from those of another with its name.

        Raises `UserError` where there is no such pool, or nobody that works for it.
        """
        api_url = os.environ.get("PREFECT_API_URL")
        if api_url is None:
            raise no_server(None)
        try:
            self.n_places = places_of(pool, api_url)
            self._deployment = deployed(str(pool))
        except UserError:
            raise
        except Exception as error:  # of whatever kind: it may be no Prefect server at all
            raise no_server(api_url, error) from None
        self._tags, self._store = ["bertft", f"study:{study}"], store
        self._to_end: dict[UUID, State] = {}

    def submit(self, name: str, mailbox: str, queue: str) -> UUID:
        """Submit one; once only, however often it is tried. Raises Prefect's errors."""
        with get_client(sync_client=True) as client:
            return client.create_flow_run_from_deployment(
                self._deployment,
                parameters={"mailbox": mailbox, "store": self._store},
                name=name,
                tags=self._tags,
                idempotency_key=mailbox,
                work_queue_name=queue,
            ).id

    def state(self, flow_run: UUID) -> State | None:
        """Its state; None where the server does not say within some seconds."""
        try:
            with temporary_settings(AT_ONCE), get_client(sync_client=True) as client:
                return client.read_flow_run(flow_run).state
        except ObjectNotFound:
            return Cancelled(message="the flow run was deleted")
        except Exception:  # of whatever kind: the server is away for a while
            return None

    def end(self, flow_run: UUID, state: State) -> None:
        """Give it a final state, whatever it has; with the next one where the server is away."""
        self._to_end[flow_run] = state
        with suppress(Exception), get_client(sync_client=True) as client:
            for waiting, final in list(self._to_end.items()):
                with suppress(ObjectNotFound):
                    client.set_flow_run_state(waiting, final, force=True)
                self._to_end.pop(waiting, None)

    def left(self) -> Iterator[tuple[UUID, str]]:
        """Those that an earlier command for this study has left, and their mailboxes. Raises Prefect's errors."""
        wanted = FlowRunFilter(
            tags=FlowRunFilterTags(all_=self._tags), state=FlowRunFilterState(type=FlowRunFilterStateType(any_=OPEN))
        )
        with get_client(sync_client=True) as client:
            of_flow = FlowFilter(name=FlowFilterName(any_=[FLOW]))
            for run in client.read_flow_runs(flow_filter=of_flow, flow_run_filter=wanted, limit=PAGE):
                if run.parameters.get("store") == self._store:
                    yield run.id, run.parameters["mailbox"]


def places_of(pool: str | None, api_url: str) -> int:
    """How many runs the pool takes at once: its limit, else one per worker. Raises `UserError`, and Prefect's errors."""
    with get_client(sync_client=True) as client:
        try:
            found = client.read_work_pool(pool) if pool is not None else None
        except ObjectNotFound:
            found = None
        if pool is None or found is None:
            raise no_pool(pool, api_url)
        if found.is_push_pool or found.is_managed_pool:
            return found.concurrency_limit or 1
        workers = client.read_workers_for_work_pool(pool)
    online = [worker for worker in workers if worker.status == WorkerStatus.ONLINE]
    if not online:
        raise no_worker(pool, len(workers))
    return found.concurrency_limit or len(online)


def deployed(pool: str) -> UUID:
    """The deployment of the flow `run-one` for this pool, made where it is not there. Raises Prefect's errors."""
    with get_client(sync_client=True) as client:
        values: dict[str, Any] = {"entrypoint": ENTRYPOINT, "job_variables": VARIABLES, "tags": ["bertft"]}
        return client.create_deployment(client.create_flow_from_name(FLOW), name=pool, work_pool_name=pool, **values)
