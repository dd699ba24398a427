"""The tasks of one run: each leases a slot and has the worker in it train the run or probe its model, which leaves a record."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import task_run

from bertft_core.config import UserError
from bertft_core.config.probe_settings import ProbesConfig
from bertft_core.records import RunRecord, RunSpec
from bertft_core.records.probe_record import ProbeRecord
from bertft_core.records.selection import may_go_on
from bertft_core.storage.study_dir import PROBES_FILE, read_record, write_record
from bertft_core.training.workers import SlotsClosing
from tasks.early_runs import EarlyRuns, train_on_slot
from tasks.kept_states import state_kept
from tasks.protocols import Progress, RunLog, SlotPool


def tags_of(spec: RunSpec, *, stage: str = "") -> tuple[str, str]:
    """By what a run's task is found on Prefect's pages, beside its study."""
    return f"stage:{stage or spec.stage}", f"arm:{spec.arm}"


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
@state_kept
def train_run(
    spec: RunSpec, run_dir: Path, *, slots: SlotPool, log: RunLog, progress: Progress, early: EarlyRuns | None = None
) -> RunRecord:
    """Train one run on a slot of its own, or wait for it where it was begun `early`; see `bertft_core.training.run.train_run`.

    Raises `WorkerDied`, `RunFailed` or `UserError`; a retry resumes from the run's checkpoint.
    """
    if early is None or not early.is_trained(spec):
        train_on_slot(spec, run_dir, slots=slots, log=log, progress=progress)
    record = read_record(run_dir / "record.json", RunRecord)
    if record is None or record.digest != spec.digest:
        raise RuntimeError(f"the worker ended the run without a record in {run_dir}")
    earlier_attempts = int(task_run.run_count or 1) - 1
    if earlier_attempts:
        record = record.model_copy(update={"attempts": record.attempts + earlier_attempts})
        write_record(run_dir / "record.json", record)
    return record


def failed_record(spec: RunSpec, run_dir: Path, error: BaseException, attempts: int) -> RunRecord:
    """Write down that a run failed after its retries, with the reason; a later command tries it again.

    Of a run that had stopped at a cut its validations stay: which seeds go on was decided by them.
    """
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    record = RunRecord(
        spec=spec, digest=spec.digest, status="failed", error=reason_of(error), started_at=now, ended_at=now, attempts=attempts
    )
    before = read_record(run_dir / "record.json", RunRecord)
    if before is not None and before.digest == spec.digest and (before.status == "failed" or may_go_on(before)):
        known = ("n_steps", "planned_steps", "evaluations")
        record = record.model_copy(update={name: getattr(before, name) for name in known})
    write_record(run_dir / "record.json", record)
    return record


@task(
    name="probe-run",
    task_run_name="probe {spec.title}",
    cache_policy=NO_CACHE,
    persist_result=False,
    retry_condition_fn=worth_a_retry,
)
@state_kept
def probe_run(spec: RunSpec, run_dir: Path, *, slots: SlotPool, probes: ProbesConfig) -> ProbeRecord:
    """Probe one model on a slot of its own; see `bertft_core.training.probing.run_probes.probe_run`.

    Raises `WorkerDied`, `RunFailed` or `UserError`.
    """
    with slots.lease() as worker:
        worker.probe(spec, run_dir, probes)
    record = read_record(run_dir / PROBES_FILE, ProbeRecord)
    if record is None or record.run_digest != spec.digest:
        raise RuntimeError(f"the worker ended the probe without a record in {run_dir}")
    return record


def failed_probe(spec: RunSpec, run_dir: Path, probes_digest: str, error: BaseException) -> None:
    """Write down that probing a run failed, with the reason; a later command tries it again."""
    record = ProbeRecord(run_digest=spec.digest, probes_digest=probes_digest, error=reason_of(error))
    write_record(run_dir / PROBES_FILE, record)


def reason_of(error: BaseException) -> str:
    """An error's text in one line, or its type where it has none."""
    return " ".join(str(error).split()) or type(error).__name__
