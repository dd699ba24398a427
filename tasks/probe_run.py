"""The task of probing the model of one run: it leases a slot, and the worker in it leaves `probes.json`."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from bertft_core.config.probe_settings import ProbesConfig
from bertft_core.records import RunSpec
from bertft_core.records.probe_record import ProbeRecord
from bertft_core.storage.study_dir import PROBES_FILE, write_record
from tasks.study_session import Session
from tasks.train_run import worth_a_retry


@task(
    name="probe-run",
    task_run_name="probe {spec.title}",
    cache_policy=NO_CACHE,
    persist_result=False,
    retry_condition_fn=worth_a_retry,
)
def probe_run(spec: RunSpec, session: Session, probes: ProbesConfig) -> ProbeRecord:
    """Probe one model on a slot of its own; see `bertft_core.training.probing.run_probes.probe_run`.

    Raises `WorkerDied`, `RunFailed` or `UserError`.
    """
    with session.slots.lease() as worker:
        worker.probe(spec, session.dir.run_dir(spec.digest), probes)
    record = session.dir.probe_record(spec.digest)
    if record is None:
        raise RuntimeError(f"the worker ended the probe without a record in {session.dir.run_dir(spec.digest)}")
    return record


def failed_probe(spec: RunSpec, session: Session, probes_digest: str, error: BaseException) -> ProbeRecord:
    """Write down that probing a run failed, with the reason; a later command tries it again."""
    reason = " ".join(str(error).split()) or type(error).__name__
    record = ProbeRecord(run_digest=spec.digest, probes_digest=probes_digest, error=reason)
    write_record(session.dir.run_dir(spec.digest) / PROBES_FILE, record)
    return record
