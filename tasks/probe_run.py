"""The task of probing the model of one run: it leases a slot, and the worker in it leaves `probes.json`."""

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from bertft_core.config.probe_settings import ProbesConfig
from bertft_core.records import RunSpec
from bertft_core.records.probe_record import ProbeRecord
from bertft_core.storage.study_dir import PROBES_FILE, read_record, write_record
from tasks.protocols import SlotPool
from tasks.train_run import reason_of, worth_a_retry


@task(
    name="probe-run",
    task_run_name="probe {spec.title}",
    cache_policy=NO_CACHE,
    persist_result=False,
    retry_condition_fn=worth_a_retry,
)
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
