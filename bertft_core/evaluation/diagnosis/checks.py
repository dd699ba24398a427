"""The table of checks, in the order in which a practitioner goes through them: data first, then learning, then seeds."""

from __future__ import annotations

from collections.abc import Callable

from bertft_core.evaluation.diagnosis import of_data, of_learning, of_seeds
from bertft_core.evaluation.diagnosis.evidence import VERDICTS, Diagnosis, Evidence

Check = Callable[[Evidence], Diagnosis | None]

CHECKS: dict[str, Check] = {
    "data_quality": of_data.data_quality,
    "label_conflicts": of_data.label_conflicts,
    "truncation": of_data.truncation,
    "domain_mismatch": of_data.domain_mismatch,
    "imbalance": of_data.imbalance,
    "small_sets": of_data.small_sets,
    "broken_runs": of_seeds.broken_runs,
    "above_constant": of_seeds.above_constant,
    "learning_rate": of_learning.learning_rate,
    "under_training": of_learning.under_training,
    "over_fitting": of_learning.over_fitting,
    "early_stopping": of_learning.early_stopping,
    "warm_up": of_learning.warm_up,
    "instability": of_seeds.instability,
    "few_seeds": of_seeds.few_seeds,
}
"""Name → check; one that has nothing to say of this head or study gives None."""


def diagnose(evidence: Evidence) -> tuple[Diagnosis, ...]:
    """The outcome of every check, the worst first and else in the order of `CHECKS`."""
    found = [diagnosis for check in CHECKS.values() if (diagnosis := check(evidence)) is not None]
    return tuple(sorted(found, key=lambda diagnosis: VERDICTS.index(diagnosis.verdict)))
