"""The searches of arms: batches of trials, each trained seed by seed, until the planned total is reached."""

import shutil
from pathlib import Path

from bertft_core.planning.plan_checks import refuse_blind_cuts
from bertft_core.planning.run_specs import plan_trial, search_digest
from bertft_core.records import DatasetCard, RunRecord, SweepResult
from bertft_core.report.prose import model_selection_text
from bertft_core.storage.study_dir import read_record, write_record
from bertft_core.sweep.arm_search import PlannedTrial, Search
from bertft_core.sweep.pruning_savings import savings_of
from bertft_core.sweep.search_report import write_sweep_report
from bertft_core.sweep.trial_rules import score_so_far, trial_outcome
from flows.stages.training_stage import Trainer
from tasks.study_session import Session

RESULT_FILE, REPORT_FILE = "result.json", "report.html"


class Searches:
    """The searches of a study that have ended: what they found, and whose reports are still to be written."""

    def __init__(self, session: Session) -> None:
        self.results: dict[str, SweepResult] = {}
        """By arm."""
        self._session = session
        self._unwritten: list[tuple[SweepResult, Search | None]] = []

    def add(self, result: SweepResult, search: Search | None) -> None:
        """One that has ended: now, or without its `search` in an earlier command, which has written it."""
        self.results[result.arm] = result
        self._unwritten.append((result, search))

    def write(self) -> None:
        """Write what is not written yet. Drawing takes seconds, in which the first runs over seeds train."""
        while self._unwritten:
            result, search = self._unwritten.pop(0)
            if search is not None:
                directory = search.journal_path.parent
                write_sweep_report(search, result, directory / REPORT_FILE, model_selection_text.savings(result))
                write_record(directory / RESULT_FILE, result)
            self._session.tracker.log_search(result)


def run_searches(trainer: Trainer, card: DatasetCard) -> Searches:
    """The searches of the arms that have one."""
    session = trainer.session
    searches = Searches(session)
    for arm in [name for name, config in session.study.arms.items() if config.search is not None]:
        finished = _finished(session, card, arm)
        searches.add(*(_run_search(trainer, card, arm) if finished is None else (finished, None)))
    if searches.results:  # a search may have chosen other numbers of steps
        refuse_blind_cuts(session.study, card, {arm: result.chosen for arm, result in searches.results.items()})
    return searches


def _finished(session: Session, card: DatasetCard, arm: str) -> SweepResult | None:
    """The result of a search that reached its planned total in an earlier command, and was written."""
    search = session.study.arms[arm].search
    assert search is not None
    directory = session.dir.sweep_dir(arm, search_digest(session.study, card, arm))
    if session.forced:
        shutil.rmtree(directory, ignore_errors=True)
    result = read_record(directory / RESULT_FILE, SweepResult)
    if result is None or result.n_planned != search.n_trials or not (directory / REPORT_FILE).exists():
        return None
    session.progress.plan("search", arm, 0)
    return result


def _run_search(trainer: Trainer, card: DatasetCard, arm: str) -> tuple[SweepResult, Search]:
    session = trainer.session
    directory = session.dir.sweep_dir(arm, search_digest(session.study, card, arm))
    search = Search(session.study, card, arm, directory, session.progress.tell)
    session.tracker.start_search(arm, search.digest)
    n_runs = search.config.n_trials * search.config.n_seeds
    while batch := search.next_batch():
        n_runs -= _train_batch(trainer, card, search, batch)
        session.progress.plan("search", arm, n_runs)
    result = search.result(directory / REPORT_FILE)
    paths = {"storage_path": _relative(session, search.journal_path), "report_path": _relative(session, directory / REPORT_FILE)}
    if search.config.pruner == "none":
        return result.model_copy(update=paths), search
    digests = {digest for trial in result.trials for digest in trial.run_digests}
    records = {digest: record for digest in digests if (record := session.dir.record(digest)) is not None}
    savings = savings_of(result.trials, search.config.n_seeds, records)
    return result.model_copy(update=paths | {"savings": savings}), search


def _relative(session: Session, path: Path) -> str:
    return str(path.relative_to(session.dir.path))


def _train_batch(trainer: Trainer, card: DatasetCard, search: Search, batch: list[PlannedTrial]) -> int:
    """Train the trials of a batch, one seed of all that survive after the other; the number of runs that pruning spared."""
    study, prune_below = trainer.session.study, search.prune_below(batch)
    runs = {
        trial.number: plan_trial(study, card, search.arm, trial.params, trial=trial.number, prune_below=prune_below)
        for trial in batch
    }
    records: dict[int, list[RunRecord]] = {number: [] for number in runs}
    alive = set(runs)
    for round_number in range(search.config.n_seeds):
        specs = {number: runs[number][round_number] for number in sorted(alive)}
        ended = trainer.records_of(specs.values())
        for number, spec in specs.items():
            records[number].append(ended[spec.digest])
        scores = {number: score for number in alive if (score := score_so_far(records[number])) is not None}
        alive = search.survivors(batch, scores)
    for number, trained in records.items():
        search.tell(number, trial_outcome(trained, search.config.n_seeds))
    return len(batch) * search.config.n_seeds - sum(map(len, records.values()))
