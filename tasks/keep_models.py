"""The task of keeping the models a study should keep, and logging them to MLflow."""

from __future__ import annotations

import shutil

from prefect import task
from prefect.cache_policies import NO_CACHE

from bertft_core.records import RunRecord, RunSpec
from bertft_core.storage.retention import kept_digests
from tasks.study_session import Session


@task(name="keep-models", task_run_name="keep models · {session.study.name}", cache_policy=NO_CACHE, persist_result=False)
def keep_models(session: Session, planned: list[RunSpec], records: dict[str, RunRecord]) -> list[str]:
    """Delete the models that `retention` does not keep and log the others; the digests of the runs that keep theirs."""
    kept = kept_digests(session.study, planned, records)
    for digest, record in records.items():
        model_dir = session.dir.run_dir(digest) / "model"
        if digest not in kept:
            shutil.rmtree(model_dir, ignore_errors=True)
            session.tracker.drop_model(digest)
        elif model_dir.exists() and session.study.tracking.log_models:
            session.tracker.log_model(record)
    return sorted(kept)
