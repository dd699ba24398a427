"""Probing the models of the report runs, before those that are not kept are deleted; what was probed before is left alone."""

from __future__ import annotations

import threading
from typing import Any

from bertft_core.config.probe_settings import ProbesConfig
from bertft_core.data.probe_texts import probes_digest
from bertft_core.records import RunRecord, RunSpec
from bertft_core.records.ranking import SCORED
from tasks.probe_run import failed_probe, probe_run
from tasks.study_session import Session


def probe_runs(session: Session, planned: list[RunSpec], records: dict[str, RunRecord]) -> None:
    """Leave `probes.json` beside every run whose model is there; a probe that fails says so in it, and the study goes on."""
    probes = session.study.probes
    if probes is None or not probes.needs_model:
        return
    asked = probes_digest(probes)
    runs = {spec.digest: spec for spec in planned if spec.digest in records and records[spec.digest].status in SCORED}
    for arm in session.study.arms:
        session.progress.plan("probe", arm, sum(spec.arm == arm for spec in runs.values()))
    session.progress.enter("probe")
    todo = [spec for spec in runs.values() if _must_probe(session, spec, asked)]
    for spec in runs.values():
        if spec not in todo:
            session.progress.probed(spec, reused=True)
    _probe(session, todo, probes, asked)


def _must_probe(session: Session, spec: RunSpec, asked: str) -> bool:
    """Nothing was found yet, or by other settings, or in vain; and there is a model to look at."""
    found = session.dir.probe_record(spec.digest)
    known = found is not None and found.probes_digest == asked and found.error is None
    return not known and (session.dir.run_dir(spec.digest) / "model").is_dir()


def _probe(session: Session, specs: list[RunSpec], probes: ProbesConfig, asked: str) -> None:
    """Submit one task per model, one more than there are slots at a time, as training does."""
    submit = probe_run.with_options(retries=session.study.execution.retries).submit
    permits = threading.Semaphore(session.n_slots + 1)
    pending: list[tuple[RunSpec, Any]] = []
    for spec in specs:
        permits.acquire()
        future = submit(spec, session, probes)
        future.add_done_callback(lambda _: permits.release())
        pending.append((spec, future))
    for spec, future in pending:
        future.wait()
        result = future.result(raise_on_failure=False)
        failed = isinstance(result, BaseException)
        if failed:
            failed_probe(spec, session, asked, result)
        session.progress.probed(spec, reused=False, failed=failed)
