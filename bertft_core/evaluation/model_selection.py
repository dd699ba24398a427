"""What was chosen by scores, and on which split: settings, trials, runs and evaluations, counted from the records.

Every choice that a study makes is listed here with the scores that decide it. All of them are made on the validation set; the
test set is evaluated and never used to choose, which `tests/contract/test_test_set_chooses_nothing.py` shows.
"""

from collections.abc import Iterator, Sequence

from bertft_core.planning.run_specs import plan_repeats
from bertft_core.records import ArmSummary, RunRecord
from bertft_core.records.seed_design_records import AdaptiveSeeds
from bertft_core.records.selection_record import ChoiceKind, ModelSelection, SelectionChoice, SplitUse
from bertft_core.storage.study_results import StudyResults

CHOOSES = "validation"
"""The split of every choice."""


def model_selection_of(results: StudyResults, arms: Sequence[ArmSummary], adaptive: AdaptiveSeeds | None) -> ModelSelection:
    """Everything that was tried and chosen; records of other settings in the study's folder are counted apart."""
    study, records, sweeps = results.study, results.records, results.sweeps.values()
    repeats = {spec.digest for spec in plan_repeats(study, results.card, results.chosen)}
    reported = {spec.digest for spec in results.planned} | repeats
    searched = {digest for sweep in sweeps for trial in sweep.trials for digest in trial.run_digests}
    other = [record for digest, record in records.items() if digest not in reported | searched]
    own = [records[digest] for digest in sorted(reported | searched) if digest in records]
    choices = tuple(_choices(results, arms, adaptive))
    n_trials = sum(len(sweep.trials) for sweep in sweeps)
    return ModelSelection(
        n_settings=len(study.arms.keys() - results.sweeps.keys()) + n_trials,
        n_trials=n_trials,
        n_search_runs=len(searched & records.keys()),
        n_report_runs=len(reported & records.keys()),
        n_other_settings=len({record.spec.setting_digest for record in other}),
        n_other_runs=len(other),
        splits=tuple(_use(split, own, choices) for split in results.card.evaluated_splits),
        choices=choices,
    )


def _choices(results: StudyResults, arms: Sequence[ArmSummary], adaptive: AdaptiveSeeds | None) -> Iterator[SelectionChoice]:
    for sweep in results.sweeps.values():
        yield _choice("setting", sweep.arm, sum(trial.score is not None for trial in sweep.trials))
    for arm in arms:
        yield from _of_runs(results, arm, results.runs_of(arm.arm))
    if adaptive is not None and adaptive.interim_analyses:
        yield _choice("number of seeds", None, len(adaptive.interim_analyses) * len(arms))


def _of_runs(results: StudyResults, arm: ArmSummary, runs: Sequence[RunRecord]) -> Iterator[SelectionChoice]:
    """What is chosen within the runs of an arm, and among them."""
    study, n_evaluations = results.study, sum(len(record.evaluations) for record in runs)
    if not n_evaluations:
        return
    yield _choice("checkpoint", arm.arm, n_evaluations)
    if any(strategy.kind == "early_stopping" for strategy in results.decided.study.arms[arm.arm].strategies):
        n_stopped = sum(record.finished and record.n_steps < record.planned_steps for record in runs)
        yield _choice("early stopping", arm.arm, n_evaluations, n_stopped, len(runs))
    if study.head.kind == "question_answering":
        yield _choice("null threshold", arm.arm, n_evaluations)
    if arm.selected is not None:
        n_kept = sum(seed.kept for seed in arm.selected.seeds)
        yield _choice("seeds that go on", arm.arm, len(arm.selected.seeds), n_kept, arm.selected.start)
    n_scored = sum(record.best_score is not None and record.finished for record in runs)
    if study.retention.checkpoints == "best" and n_scored > 1:
        yield _choice("kept model", arm.arm, n_scored)
    gives_probabilities = study.head.kind in ("classification", "token_classification") and not getattr(study.head, "crf", False)
    if study.probes is not None and study.probes.calibration and gives_probabilities:
        yield _choice("temperature", arm.arm, n_scored)


def _choice(what: ChoiceKind, arm: str | None, n_scores: int, n: int | None = None, of: int | None = None) -> SelectionChoice:
    return SelectionChoice(what=what, arm=arm, split=CHOOSES, n_scores=n_scores, n=n, of=of)


def _use(split: str, records: Sequence[RunRecord], choices: Sequence[SelectionChoice]) -> SplitUse:
    """Validation counts at every evaluation; other splits are scored with the last weights, and the best where these differ."""
    if split == CHOOSES:
        n = sum(len(record.evaluations) for record in records)
    else:
        scored = [record for record in records if split in record.final]
        n = sum(1 if record.best_step in (None, record.n_steps) else 2 for record in scored)
    kinds = {choice.what for choice in choices if choice.split == split}
    return SplitUse(split=split, n_evaluations=n, n_choices=len(kinds))
