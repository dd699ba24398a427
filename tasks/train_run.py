"""The task of one training run: it leases a slot, listens to the worker in it, and leaves the record."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import task_run

from bertft_core.config import UserError
from bertft_core.records import RunRecord, RunSpec
from bertft_core.storage.study_dir import read_record, write_record
from bertft_core.training.slots import SlotsClosing
from tasks.protocols import Progress, RunLog, SlotPool


def worth_a_retry(task: Any, run: Any, state: Any) -> bool:
    """A worker that died or a run that raised gets another try; a mistake of the user, or a study that is ending, does not."""
    return not isinstance(state.result(raise_on_failure=False), UserError | SlotsClosing)


@task(
    name="train-run",
    task_run_name="{spec.title}",
    cache_policy=NO_CACHE,
    persist_result=False,
    retry_condition_fn=worth_a_retry,
)
def train_run(spec: RunSpec, run_dir: Path, *, slots: SlotPool, log: RunLog, progress: Progress) -> RunRecord:
    """Train one run on a slot of its own; see `bertft_core.training.run.train_run`.

    Raises `WorkerDied`, `RunFailed` or `UserError`; a retry resumes from the run's checkpoint.
    """
    with slots.lease() as worker, log.run_of(spec) as log_event:

        def on_event(event: dict[str, Any]) -> None:
            progress.on_event(spec, event)
            log_event(event)

        worker.run(spec, run_dir, on_event)
    record = read_record(run_dir / "record.json", RunRecord)
    if record is None or record.digest != spec.digest:
        raise RuntimeError(f"the worker ended the run without a record in {run_dir}")
    attempts = int(task_run.run_count or 1)
    if attempts > 1:
        record = record.model_copy(update={"attempts": attempts})
        write_record(run_dir / "record.json", record)
    return record


def failed_record(spec: RunSpec, run_dir: Path, error: BaseException, attempts: int) -> RunRecord:
    """Write down that a run failed after its retries, with the reason; a later command tries it again."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    record = RunRecord(
        spec=spec, digest=spec.digest, status="failed", error=reason_of(error), started_at=now, ended_at=now, attempts=attempts
    )
    write_record(run_dir / "record.json", record)
    return record


def reason_of(error: BaseException) -> str:
    """An error's text in one line, or its type where it has none."""
    return " ".join(str(error).split()) or type(error).__name__
