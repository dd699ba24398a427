"""The flow runs of a study in Prefect: whose they are, and those that a dead process has left running."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterName,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.runtime import flow_run
from prefect.states import Crashed

from bertft_core.config.addresses import shown
from bertft_core.storage.damage import Tell
from tasks.process_identity import owner_in, owner_tags
from tasks.tracking.store_files import FLOWS, NAMED_BY_STUDY, is_of_home, study_tag

RUNNING = [StateType.RUNNING]
MESSAGE = "its process has ended"
PAGE = 200


def claim(study: str, home_dir: Path, flow_run_id: str, tell: Tell) -> None:
    """Label a flow run with its process, tag it with its study, and repair what dead processes left of the study.

    Prefect's errors are only reported.
    """
    try:
        with get_client(sync_client=True) as client:
            client.update_flow_run_labels(UUID(flow_run_id), dict(owner_tags()))
            client.update_flow_run(UUID(flow_run_id), tags={*flow_run.tags, study_tag(study)})
        repair_flow_runs(study, home_dir, but=flow_run_id)
    except Exception as error:  # a study is worth more than the tidiness of its views
        tell(f"Prefect: {type(error).__name__}: {shown(error)}")


def left_flow_runs(study: str, home_dir: Path) -> list[str]:
    """The ids of the study's flow runs that a dead process has left RUNNING."""
    with get_client(sync_client=True) as client:
        return [str(run.id) for run in _running(client, study) if _is_left(run, home_dir)]


def last_flow_run(study: str, api_url: str) -> str | None:
    """The id of the study's flow run that has started last, as a server knows it."""
    tagged = FlowRunFilter(tags=_tags_of(study))
    with SyncPrefectClient(api_url) as client:
        found = client.read_flow_runs(flow_filter=_of(FLOWS), flow_run_filter=tagged, sort=FlowRunSort.START_TIME_DESC, limit=1)
    return str(found[0].id) if found else None


def repair_flow_runs(study: str, home_dir: Path, *, but: str | None = None) -> list[str]:
    """Set the study's flow runs that a dead process has left RUNNING, and their task runs, to Crashed; their ids.

    The caller holds the study's lock. `but` is the id of its own flow run. A flow run that says whose it is counts as left when
    that process has ended on this host; one of an older version when it worked in this home.
    """
    with get_client(sync_client=True) as client:
        left = [run for run in _running(client, study) if str(run.id) != but and _is_left(run, home_dir)]
        for run in left:
            for task_run in client.read_task_runs(
                flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id])),
                task_run_filter=TaskRunFilter(state=TaskRunFilterState(type=TaskRunFilterStateType(any_=RUNNING))),
            ):
                client.set_task_run_state(task_run.id, Crashed(message=MESSAGE), force=True)
            client.set_flow_run_state(run.id, Crashed(message=MESSAGE), force=True)
    return [str(run.id) for run in left]


def _running(client: SyncPrefectClient, study: str) -> Iterable[FlowRun]:
    """Those that are tagged with the study, and those with its name: a run that was killed early has no tag yet."""
    running = FlowRunFilterState(type=FlowRunFilterStateType(any_=RUNNING))
    tagged = FlowRunFilter(tags=_tags_of(study), state=running)
    named = FlowRunFilter(name=FlowRunFilterName(any_=[study]), state=running)
    found = ((FLOWS, tagged), (NAMED_BY_STUDY, named))
    runs = [
        run for flows, each in found for run in client.read_flow_runs(flow_filter=_of(flows), flow_run_filter=each, limit=PAGE)
    ]
    return {run.id: run for run in runs}.values()


def _of(flows: Sequence[str]) -> FlowFilter:
    return FlowFilter(name=FlowFilterName(any_=list(flows)))


def _tags_of(study: str) -> FlowRunFilterTags:
    return FlowRunFilterTags(all_=[study_tag(study)])


def _is_left(run: FlowRun, home_dir: Path) -> bool:
    owner = owner_in(run.labels or {})
    return is_of_home(json.dumps(run.parameters), home_dir) if owner is None else owner.is_gone
