"""The last states of a study's task runs, sent again where Prefect's server has lost them.

Prefect's client reports a task run by events that nobody answers. A server that is killed loses those it has not stored yet, and
one whose database is away for some seconds drops them: it then shows a task run as running for good, or has never heard of it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import ParamSpec, TypeVar
from uuid import UUID, uuid4

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import TaskRunFilter, TaskRunFilterId
from prefect.client.schemas.objects import TaskRun
from prefect.context import TaskRunContext
from prefect.utilities.engine import emit_task_run_state_change_event

from bertft_core.config.addresses import shown
from bertft_core.storage.damage import Tell

P = ParamSpec("P")
T = TypeVar("T")

AGAIN_SECONDS = 10.0
"""After this long without being stored a state counts as lost; usually it takes a tenth of a second."""
PATIENCE_SECONDS = 120.0
PAGE = 200

_TASK_RUNS: ContextVar[dict[UUID, TaskRun] | None] = ContextVar("task_runs", default=None)
"""Those of the study that runs in this context, which Prefect passes on to its tasks' threads."""


def state_kept(function: Callable[P, T]) -> Callable[P, T]:
    """The function of a task, whose run `kept_states` looks after: Prefect's engine sets each new state in its `TaskRun`."""

    @wraps(function)
    def keeping(*args: P.args, **kwargs: P.kwargs) -> T:
        context, task_runs = TaskRunContext.get(), _TASK_RUNS.get()
        if context is not None and task_runs is not None:
            task_runs[context.task_run.id] = context.task_run
        return function(*args, **kwargs)

    return keeping


@contextmanager
def kept_states(tell: Tell) -> Iterator[None]:
    """When the block ends, also by an `Exception`, the server has the final state of every task run that ended in it.

    Prefect's errors are only reported.
    """
    task_runs: dict[UUID, TaskRun] = {}
    token = _TASK_RUNS.set(task_runs)
    try:
        yield
    except Exception:
        _deliver(task_runs, tell)
        raise
    else:
        _deliver(task_runs, tell)
    finally:
        _TASK_RUNS.reset(token)


def _deliver(task_runs: dict[UUID, TaskRun], tell: Tell) -> None:
    ended = [run for run in task_runs.values() if run.state is not None and run.state.is_final()]
    start, n_sent, pause = time.monotonic(), 0, 0.05
    try:
        with get_client(sync_client=True) as client:
            while ended := _unknown(client, ended):
                waited = time.monotonic() - start
                if waited > PATIENCE_SECONDS:
                    tell(f"Prefect: its server has not stored how {len(ended)} task runs ended")
                    return
                if waited > (n_sent + 1) * AGAIN_SECONDS:
                    n_sent += 1
                    for run in ended:
                        _send_again(run)
                time.sleep(pause)
                pause = min(2 * pause, 1.0)
    except Exception as error:  # a study is worth more than the tidiness of its views
        tell(f"Prefect: {type(error).__name__}: {shown(error)}")


def _unknown(client: SyncPrefectClient, ended: list[TaskRun]) -> list[TaskRun]:
    """Those that the server does not show as they ended."""
    stored = {}
    for first in range(0, len(ended), PAGE):
        ids = [run.id for run in ended[first : first + PAGE]]
        for run in client.read_task_runs(task_run_filter=TaskRunFilter(id=TaskRunFilterId(any_=ids)), limit=PAGE):
            stored[run.id] = run.state_type
    return [run for run in ended if stored.get(run.id) != run.state_type]


def _send_again(run: TaskRun) -> None:
    """As another event at the time of the first: one that the server has seen, but not stored, it would take for a duplicate."""
    assert run.state is not None
    again = run.state.model_copy(update={"id": uuid4(), "timestamp": run.state.timestamp})
    emit_task_run_state_change_event(run, initial_state=None, validated_state=again)
