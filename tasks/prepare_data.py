"""The task of preparing a study's data."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from bertft_core.data.prepare_study_data import prepare_data as prepare
from bertft_core.records import DatasetCard
from bertft_core.storage.study_dir import write_record
from tasks.study_session import Session


@task(name="prepare-data", task_run_name="prepare data · {session.study.name}", cache_policy=NO_CACHE, persist_result=False)
def prepare_data(session: Session) -> DatasetCard:
    """Read, check, split and tokenise; see `data.prepare_study_data`. Raises `UserError` for bad data."""
    card = prepare(session.study, home_dir=session.home_dir, tell=session.progress.tell)
    write_record(session.dir.card_path, card)
    session.tracker.log_data(card)
    return card
