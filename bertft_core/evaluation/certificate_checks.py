"""The certificate of a study: what must make no difference to a run, and how each check is judged."""

from collections.abc import Callable

from bertft_core.evaluation.run_diff.retraining_diff import RunOnDisk, compare, compare_training
from bertft_core.records.verification_record import VerdictFinding

ACCUMULATION_TOLERANCE = 1e-9
"""Largest difference of a gradient's element in float64, as a share of the largest element."""

CHECKS: dict[str, Callable[[RunOnDisk, RunOnDisk], VerdictFinding] | None] = {
    "same_seed": compare,
    "reused_worker": compare,
    "beside_others": compare,
    "evaluation_cadence": compare_training,
    "data_workers": None,
    "kill_and_resume": compare,
    "accumulation": None,
}
"""Check → how its two runs are compared, in the order of the report; None where a number is judged, or nothing."""
NOT_APPLICABLE = "data_workers"
"""There are none: a run reads its examples in its own process."""


def is_exact_gradient(error: float) -> bool:
    """Whether the error that `accumulation_error` measured is only rounding."""
    return error < ACCUMULATION_TOLERANCE
