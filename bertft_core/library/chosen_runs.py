"""Which models of a study predict: the best run, that of one seed, or all seeds of an arm together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from bertft_core.config.errors import UserError, did_you_mean
from bertft_core.library.study_on_disk import no_finished_runs
from bertft_core.records import RunRecord, StudySummary
from bertft_core.records.ranking import best_arm, ranked_runs
from bertft_core.report.prose import run_words
from bertft_core.storage.study_dir import read_record
from bertft_core.storage.study_results import StudyResults

Tell = Callable[[str], object]
"""Gets a line on what was chosen and why."""


class PredictRequest(NamedTuple):
    """Which models predict."""

    arm: str | None
    seed: int | None
    ensemble: bool


def chosen_records(results: StudyResults, wanted: PredictRequest, tell: Tell) -> list[RunRecord]:
    """The runs that predict: one, or with `ensemble` all of the arm whose models were kept. Tells which and why."""
    if wanted.seed is not None and wanted.ensemble:
        raise UserError(
            "--seed and --ensemble exclude each other",
            code="predict.seed-and-ensemble",
            hint="leave one out: --seed predicts with one model, --ensemble with those of all seeds",
        )
    ranked = ranked_runs(results.study, results.planned, results.records)
    arm = _arm(results, ranked, wanted.arm, tell)
    runs = sorted(ranked[arm], key=lambda record: record.spec.index)
    kept = [record for record in runs if (results.run_dir_of(record.digest) / "model").is_dir()]
    if wanted.ensemble:
        return _ensemble(results, arm, runs, kept, tell)
    if wanted.seed is None:
        record, why = ranked[arm][0], f"best {results.study.metric} on validation, {ranked[arm][0].best_score:.3f}"
    else:
        record, why = _seed(runs, arm, wanted.seed), "as asked"
    if record not in kept:
        raise _not_kept(results, f"the model of {record.spec.title} was not kept", [record], kept)
    tell(f"{record.spec.title} ({why})")
    return [record]


def _arm(results: StudyResults, ranked: dict[str, list[RunRecord]], wanted: str | None, tell: Tell) -> str:
    if not ranked:
        raise no_finished_runs(results.study_dir)
    if wanted is not None:
        if wanted not in ranked:
            raise UserError(
                f"the arm '{wanted}' {'has no finished runs' if wanted in results.study.arms else 'is not in this study'}",
                code="predict.unknown-arm",
                path=results.study_dir.path,
                found=wanted,
                expected=f"one of {', '.join(ranked)}",
                hint=did_you_mean(wanted, ranked) or "leave --arm out for the best arm",
            )
        return wanted
    if len(results.study.arms) == 1:
        return next(iter(ranked))
    summary = read_record(results.study_dir.summary_path, StudySummary)
    best = None if summary is None else best_arm(results.study, summary)
    if summary is None or best is None or best[0] not in ranked:
        raise UserError(
            "the study has not been evaluated yet, so it has no best arm",
            code="predict.no-best-arm",
            path=results.study_dir.path,
            expected=f"one of the arms {', '.join(ranked)}",
            hint="name one with --arm, or run the study to its end",
        )
    why = f"best mean {summary.headline_metric} on validation, {best[1]:.3f}"
    tell(f"arm {best[0]} ({why})")
    return best[0]


def _seed(runs: Sequence[RunRecord], arm: str, seed: int) -> RunRecord:
    for record in runs:
        if record.spec.index == seed:
            return record
    indices = ", ".join(str(record.spec.index) for record in runs)
    raise UserError(
        f"the arm '{arm}' has no finished run with seed {seed}",
        code="predict.no-such-seed",
        found=str(seed),
        expected=f"one of {indices}",
        hint="leave --seed out for the best one",
    )


def _ensemble(results: StudyResults, arm: str, runs: Sequence[RunRecord], kept: list[RunRecord], tell: Tell) -> list[RunRecord]:
    if len(kept) < 2:
        problem = f"an ensemble needs the models of several {run_words.unit(results.study)}s, and {arm} has {len(kept) or 'none'}"
        raise _not_kept(results, problem, runs, kept)
    seeds = ", ".join(str(record.spec.index) for record in kept)
    tell(f"{arm} · {len(kept)} of {len(runs)} {run_words.unit(results.study)}s together ({seeds})")
    return kept


def _not_kept(results: StudyResults, problem: str, runs: Sequence[RunRecord], kept: Sequence[RunRecord]) -> UserError:
    """`runs` are those asked for."""
    retention = results.study.retention
    dropped = any(record.model_dropped is not None for record in runs)
    setting = f"raise retention.budget_gib (now {retention.budget_gib:g})" if dropped else "set retention.checkpoints: all"
    there = ", ".join(record.spec.title for record in kept) or "none"
    return UserError(
        problem,
        code="predict.models-not-kept",
        path=results.study_dir.path / "runs",
        found=f"models kept of this arm: {there} (retention.checkpoints: {retention.checkpoints})",
        expected="the model of every seed asked for",
        hint=f"{setting} and train again with: bertft run CONFIG --force",
    )
