"""Probing the models of the report runs, before those that are not kept are deleted; what was probed before is left alone."""

from typing import Any

from prefect import tags
from prefect.futures import PrefectFuture

from bertft_core.config.probe_settings import ProbesConfig
from bertft_core.data.probe_texts import probes_digest
from bertft_core.records import RunRecord, RunSpec
from bertft_core.records.ranking import SCORED
from flows.stages.training_stage import submitted
from tasks.run_tasks import failed_probe, probe_run, tags_of
from tasks.study_session import Session


def probe_runs(session: Session, planned: list[RunSpec], records: dict[str, RunRecord]) -> None:
    """Leave `probes.json` beside every run whose model is there; a failed probe is recorded there, and the study continues."""
    probes = session.study.probes
    if probes is None or not probes.needs_model:
        return
    digest = probes_digest(probes)
    runs = {spec.digest: spec for spec in planned if spec.digest in records and records[spec.digest].status in SCORED}
    for arm in session.study.arms:
        session.progress.plan("probe", arm, sum(spec.arm == arm for spec in runs.values()))
    session.progress.enter("probe")
    todo = [spec for spec in runs.values() if _must_probe(session, spec, digest)]
    for spec in runs.values():
        if spec not in todo:
            session.progress.probed(spec, reused=True)
    _probe(session, todo, probes, digest)


def _must_probe(session: Session, spec: RunSpec, digest: str) -> bool:
    """The run has a model, and no findings yet, or those of other settings, or of a probe that failed."""
    found = session.dir.probe_record(spec.digest)
    known = found is not None and found.probes_digest == digest and found.error is None
    return not known and (session.dir.run_dir(spec.digest) / "model").is_dir()


def _probe(session: Session, specs: list[RunSpec], probes: ProbesConfig, digest: str) -> None:
    if not specs:
        return
    task, slots, folder = probe_run.with_options(retries=session.study.execution.retries), session.slots, session.dir

    def submit(spec: RunSpec) -> PrefectFuture[Any]:
        with tags(*tags_of(spec, stage="probe")):
            return task.submit(spec, folder.run_dir(spec.digest), slots=slots, probes=probes)

    for spec, result in submitted(submit, specs, slots.n):
        failed = isinstance(result, BaseException)
        if failed:
            session.leases.expect_held()  # its workers are ended then
            failed_probe(spec, folder.run_dir(spec.digest), digest, result)
        session.progress.probed(spec, reused=False, failed=failed)
