"""Prefect's server shows how every task run of a study ended, also those whose events it has lost."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import TaskRun
from prefect.events.schemas.events import Event
from prefect.events.worker import EventsWorker
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_URL, temporary_settings

from tasks import kept_states

STORED, LEFT, UNHEARD = "stored", "left running", "never heard of"


@task(cache_policy=NO_CACHE, persist_result=False)
@kept_states.state_kept
def ends(error: BaseException | None) -> None:
    if error is not None:
        raise error


@pytest.fixture
def client(server_environment, monkeypatch) -> Iterator[None]:
    """Of the folder's server, which loses each event that it may lose once."""
    lost, send = set(), EventsWorker.send

    def losing(worker: EventsWorker, event: Event) -> None:
        name, state = event.resource.get("prefect.resource.name", ""), event.resource.get("prefect.state-name")
        may_lose = name.startswith(UNHEARD) or (name.startswith(LEFT) and state == "Failed")
        if may_lose and (name, state) not in lost:
            lost.add((name, state))
        else:
            send(worker, event)

    monkeypatch.setattr(EventsWorker, "send", losing)
    with temporary_settings({PREFECT_API_URL: server_environment["PREFECT_API_URL"]}):
        EventsWorker.drain_all()  # of another server
        yield
        EventsWorker.drain_all()


def carried_out(told: list[str]) -> tuple[dict[str, TaskRun], UUID]:
    """A flow of tasks that end in each way: what Prefect's server knows of them right after it, and the id of its run."""
    how = {STORED: None, LEFT: RuntimeError("as a run that fails after its retries"), UNHEARD: None}

    @flow
    def study() -> UUID:
        with kept_states.kept_states(told.append):
            for future in [ends.with_options(name=name, task_run_name=name).submit(error) for name, error in how.items()]:
                future.wait()
        return UUID(flow_run.id)

    flow_run_id = study()
    with get_client(sync_client=True) as client:
        found = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id])))
    return {run.name: run for run in found}, flow_run_id


def test_what_the_server_has_lost_it_gets_again(client, monkeypatch):
    monkeypatch.setattr(kept_states, "AGAIN_SECONDS", 0.5)
    told: list[str] = []
    found, flow_run_id = carried_out(told)
    assert told == []
    ended = {name: run.state_name for name, run in found.items()}
    assert ended == {STORED: "Completed", LEFT: "Failed", UNHEARD: "Completed"}
    run = found[UNHEARD]
    assert (run.flow_run_id, run.run_count) == (flow_run_id, 1)
    assert run.start_time <= run.end_time == run.state.timestamp, "when it ended, not when that was said again"


def test_a_server_that_stores_nothing_is_reported_and_not_waited_for_any_longer(client, monkeypatch):
    monkeypatch.setattr(kept_states, "PATIENCE_SECONDS", 1.0)
    told: list[str] = []
    found, _ = carried_out(told)
    assert len(told) == 1
    assert told[0].startswith("Prefect: its server has not stored how ")
    assert UNHEARD not in found
