"""The table of checks, in the order in which a practitioner goes through them: data first, then learning, then seeds."""

from collections.abc import Callable

from bertft_core.evaluation.diagnosis import data_problems, label_problems, learning_problems, seed_problems
from bertft_core.evaluation.diagnosis.findings import VERDICTS, Diagnosis, Outcomes
from bertft_core.storage.study_results import StudyResults

DiagnosisCheck = Callable[[StudyResults], Outcomes]

CHECKS: dict[str, DiagnosisCheck] = {
    "data_quality": data_problems.data_quality,
    "label_conflicts": data_problems.label_conflicts,
    "label_errors": label_problems.label_errors_of,
    "truncation": data_problems.truncation,
    "domain_mismatch": data_problems.domain_mismatch,
    "imbalance": data_problems.imbalance,
    "small_sets": data_problems.small_sets,
    "broken_runs": seed_problems.broken_runs,
    "above_constant": seed_problems.above_constant,
    "learning_rate": learning_problems.learning_rate,
    "under_training": learning_problems.under_training,
    "over_fitting": learning_problems.over_fitting,
    "early_stopping": learning_problems.early_stopping,
    "warm_up": learning_problems.warm_up,
    "instability": seed_problems.instability,
    "few_seeds": seed_problems.few_seeds,
}
"""Name → check."""


def diagnose(results: StudyResults) -> tuple[Diagnosis, ...]:
    """The outcome of every check of an evaluated study, the worst first and otherwise in the order of `CHECKS`."""
    found = [diagnosis for name in CHECKS if (diagnosis := run_check(name, results)) is not None]
    return tuple(sorted(found, key=lambda diagnosis: VERDICTS.index(diagnosis.verdict)))


def run_check(name: str, results: StudyResults) -> Diagnosis | None:
    """The outcome of one check, its verdict the worst of its parts; None where it does not apply to this head or study."""
    outcomes = list(CHECKS[name](results))
    if not outcomes:
        return None
    hints = [hint for outcome in outcomes for hint in outcome.hints]
    return Diagnosis(
        check=name,
        verdict=min((outcome.verdict for outcome in outcomes), key=VERDICTS.index),
        findings=tuple(outcome.finding for outcome in outcomes if outcome.finding is not None),
        hints=tuple(each for i, each in enumerate(hints) if each not in hints[:i]),
    )
