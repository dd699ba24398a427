"""Where a command prepares its data: in itself while all it needs is stored, else in a worker that has loaded the libraries."""

from pathlib import Path

from bertft_core.config import StudyConfig
from bertft_core.data.encoder_files import is_on_the_hub
from bertft_core.data.prepare_study_data import refuse_unreadable
from bertft_core.data.slow_libraries import LibrariesNeeded, refuse_slow_libraries, slow_libraries
from bertft_core.records import DatasetCard
from bertft_core.storage.damage import Tell
from bertft_core.training.slots import Slots
from bertft_core.training.trial_step import prepare_and_try
from bertft_core.training.workers import RunFailed, SlotsClosing, WorkerDied
from tasks.protocols import SlotPool


def prepare_beside(study: StudyConfig, home_dir: Path, workers: SlotPool | None, tell: Tell) -> DatasetCard:
    """As `prepare_and_try`, with the least that this process has to load.

    Workers of this machine import torch and transformers anyway; a third process that did so too would take the cores from them,
    and 250 MiB. They do not reach the hub, so what has to be asked for there is prepared here.
    """
    if not isinstance(workers, Slots) or asks_the_hub(study):
        return prepare_and_try(study, home_dir=home_dir, tell=tell)
    try:
        with slow_libraries(refuse_slow_libraries):
            return prepare_and_try(study, home_dir=home_dir, tell=tell)
    except LibrariesNeeded:
        refuse_unreadable(study)  # which the worker would tell seconds later: it still imports
    try:
        with workers.lease() as worker:
            return worker.prepare(study, home_dir, tell)
    except SlotsClosing:
        raise
    except (WorkerDied, RunFailed):  # of memory, or of a mistake of ours, whose traceback is then shown
        return prepare_and_try(study, home_dir=home_dir, tell=tell)


def asks_the_hub(study: StudyConfig) -> bool:
    """Data or an encoder of some arm, or of what its search may choose, are on the Hugging Face hub."""
    views = [study, *(study.decided({arm: settings}).of_arm(arm) for arm, settings in study.tried_arms())]
    return any(view.data.source == "hub" or is_on_the_hub(view.encoder) for view in views)
