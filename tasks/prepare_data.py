"""The task of preparing a study's data."""

from collections.abc import Callable

from prefect import task
from prefect.cache_policies import NO_CACHE

from bertft_core.config import StudyConfig
from bertft_core.data.prepare_study_data import prepare_data as prepare
from bertft_core.records import DatasetCard
from bertft_core.storage import StudyDir
from bertft_core.storage.damage import Tell
from bertft_core.storage.study_dir import write_record


@task(name="prepare-data", task_run_name="prepare data · {study.name}", cache_policy=NO_CACHE, persist_result=False)
def prepare_data(
    study: StudyConfig,
    study_dir: StudyDir,
    *,
    log: Callable[[DatasetCard], None],
    tell: Tell,
    prepared: DatasetCard | None = None,
) -> DatasetCard:
    """Read, check, split and tokenise; see `data.prepare_study_data`. Raises `UserError` for bad data.

    `prepared` is the card of data that the same command has prepared before.
    """
    card = prepared or prepare(study, home_dir=study_dir.home_dir, tell=tell)
    write_record(study_dir.card_path, card)
    log(card)
    return card
