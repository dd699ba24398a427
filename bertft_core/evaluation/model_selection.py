"""What was looked at to choose, and on which split: settings, trials, runs and evaluations, counted from the records.

Every choice there is in a study is listed here with the scores that decide it. All of them are of the validation set: the test
set is evaluated on and never chosen by, which `tests/contract/test_test_set_chooses_nothing.py` shows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from bertft_core.config.study_config import StudyConfig
from bertft_core.planning.run_specs import Chosen, plan_repeats
from bertft_core.records import ArmSummary, DatasetCard, RunRecord, RunSpec, SweepResult
from bertft_core.records.seed_design_records import AdaptiveSeeds
from bertft_core.records.selection_record import SelectionChoice, SelectionLedger, SplitUse

CHOOSES = "validation"
"""The split of every choice."""


def ledger_of(
    study: StudyConfig,
    card: DatasetCard,
    planned: Sequence[RunSpec],
    records: Mapping[str, RunRecord],
    sweeps: Sequence[SweepResult],
    chosen: Chosen,
    arms: Sequence[ArmSummary],
    adaptive: AdaptiveSeeds | None,
) -> SelectionLedger:
    """The ledger of a study; `records` by run digest, those of searches and of other settings in the folder among them."""
    repeats = {spec.digest for spec in plan_repeats(study, card, chosen)}
    reported = {spec.digest for spec in planned} | repeats
    searched = {digest for sweep in sweeps for trial in sweep.trials for digest in trial.run_digests}
    other = [record for digest, record in records.items() if digest not in reported | searched]
    mine = [records[digest] for digest in sorted(reported | searched) if digest in records]
    choices = tuple(_choices(study, planned, records, sweeps, arms, adaptive))
    n_trials = sum(len(sweep.trials) for sweep in sweeps)
    splits = tuple(_use(split, mine, choices) for split in card.evaluated_splits)
    n_other = len({record.spec.setting_digest for record in other})
    return SelectionLedger(
        n_settings=len(study.arms) + n_trials,
        n_trials=n_trials,
        n_search_runs=len(searched & records.keys()),
        n_report_runs=len(reported & records.keys()),
        n_other_settings=n_other,
        n_other_runs=len(other),
        splits=splits,
        choices=choices,
        sentences=tuple(_sentences(splits, choices, n_other, len(other))),
    )


def _choices(
    study: StudyConfig,
    planned: Sequence[RunSpec],
    records: Mapping[str, RunRecord],
    sweeps: Sequence[SweepResult],
    arms: Sequence[ArmSummary],
    adaptive: AdaptiveSeeds | None,
) -> Iterator[SelectionChoice]:
    for sweep in sweeps:
        n = sum(trial.score is not None for trial in sweep.trials)
        yield _choice("setting", sweep.arm, n, f"its setting is the best of {_several(n, 'trial')} of a search ({study.metric})")
    for arm in arms:
        ran = [records[spec.digest] for spec in planned if spec.arm == arm.arm and spec.digest in records]
        yield from _of_runs(study, arm, ran)
    if adaptive is not None and adaptive.looks:
        n = len(adaptive.looks) * len(arms)
        looks = _several(len(adaptive.looks), "look")
        told = f"how many seeds there are was decided at {looks} ({adaptive.metric}); no arm was chosen"
        yield _choice("number of seeds", None, n, told)


def _of_runs(study: StudyConfig, arm: ArmSummary, ran: Sequence[RunRecord]) -> Iterator[SelectionChoice]:
    """What is chosen within the runs of an arm, and among them."""
    n_evaluations = sum(len(record.evaluations) for record in ran)
    if not n_evaluations:
        return
    yield _choice(
        "checkpoint",
        arm.arm,
        n_evaluations,
        f"the best weights of each run are those of the best of its validations, {n_evaluations} in all",
    )
    if any(strategy.kind == "early_stopping" for strategy in study.arms[arm.arm].strategies):
        n_stopped = sum(record.finished and record.n_steps < record.planned_steps for record in ran)
        yield _choice("early stopping", arm.arm, n_evaluations, f"{n_stopped} of {len(ran)} runs were stopped early")
    if study.head.kind == "question_answering":
        yield _choice(
            "null threshold", arm.arm, n_evaluations, "where questions have no answer, it is tuned for each set of weights"
        )
    if arm.selected is not None:
        told = f"{sum(seed.kept for seed in arm.selected.seeds)} of {arm.selected.start} seeds went on"
        yield _choice("seeds that go on", arm.arm, len(arm.selected.seeds), told)
    n_scored = sum(record.best_score is not None and record.finished for record in ran)
    if study.retention.checkpoints == "best" and n_scored > 1:
        told = f"the model that is kept is the best of {_several(n_scored, 'run')}; no number over seeds depends on it"
        yield _choice("kept model", arm.arm, n_scored, told)
    if study.probes is not None and study.probes.calibration:
        yield _choice("temperature", arm.arm, n_scored, "it is fitted for each run")


def _choice(what: str, arm: str | None, n: int, sentence: str) -> SelectionChoice:
    return SelectionChoice(what=what, arm=arm, split=CHOOSES, n_looked_at=n, sentence=sentence)


def _use(split: str, records: Sequence[RunRecord], choices: Sequence[SelectionChoice]) -> SplitUse:
    """Every validation while training; other splits are scored for the last weights, and for the best if they are others."""
    if split == CHOOSES:
        n = sum(len(record.evaluations) for record in records)
    else:
        scored = [record for record in records if split in record.final]
        n = sum(1 if record.best_step in (None, record.n_steps) else 2 for record in scored)
    kinds = {choice.what for choice in choices if choice.split == split}
    return SplitUse(split=split, n_evaluations=n, n_choices=len(kinds))


def _sentences(splits: Sequence[SplitUse], choices: Sequence[SelectionChoice], n_settings: int, n_runs: int) -> Iterator[str]:
    kinds = Counter(choice.what for choice in choices)
    for use in splits:
        evaluated = f"{use.split}: {_several(use.n_evaluations, 'evaluation')}"
        if use.split == CHOOSES:
            yield f"{evaluated}, which decided: {', '.join(kinds) or 'nothing'}"
        else:
            yield f"{evaluated}, which decided nothing"
    if not any(use.split == "test" for use in splits):
        yield (
            "there is no test set, so the scores shown first are of the set that decided, and flatter; "
            "data.split.halve_validation gives half of it away"
        )
    if n_runs:
        yield (
            f"{_several(n_runs, 'run')} of {_several(n_settings, 'other setting')} in this study's folder: "
            "whoever has chosen among them by their test scores has chosen on the test set"
        )


def _several(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
