"""The table of checks, in the order in which a practitioner goes through them: data first, then learning, then seeds."""

from __future__ import annotations

from collections.abc import Callable

from bertft_core.evaluation.diagnosis import data_problems, learning_problems, seed_problems
from bertft_core.evaluation.diagnosis.evidence import VERDICTS, Diagnosis, Evidence

Check = Callable[[Evidence], Diagnosis | None]

CHECKS: dict[str, Check] = {
    "data_quality": data_problems.data_quality,
    "label_conflicts": data_problems.label_conflicts,
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
"""Name → check; one that has nothing to say of this head or study gives None."""


def diagnose(evidence: Evidence) -> tuple[Diagnosis, ...]:
    """The outcome of every check, the worst first and else in the order of `CHECKS`."""
    found = [diagnosis for check in CHECKS.values() if (diagnosis := check(evidence)) is not None]
    return tuple(sorted(found, key=lambda diagnosis: VERDICTS.index(diagnosis.verdict)))
