"""The certificate of a study: what must make no difference to a run, how each is judged, and what does not apply here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bertft_core.evaluation.run_diff.curve_diff import read_curves
from bertft_core.evaluation.run_diff.retraining_diff import RunOnDisk, compare

ACCUMULATION_TOLERANCE = 1e-9
"""Largest difference of a gradient's element in doubles, as a share of the largest element."""
N_NAMED = 3


class Judged(NamedTuple):
    """Whether a check was passed, and what was found."""

    passed: bool
    found: str


def all_of_it(reference: RunOnDisk, other: RunOnDisk) -> Judged:
    """Both runs are the same to the last bit: head, batches, weights, every loss, metrics and predictions."""
    finding = compare(reference, other)
    if finding.verdict == "bitwise":
        return Judged(True, "bitwise")
    return Judged(False, _told(finding.words, finding.differences, finding.first_step))


def training_alone(reference: RunOnDisk, other: RunOnDisk) -> Judged:
    """Weights, losses, gradients and the last scores are the same to the last bit; when was validated may differ."""
    left, right = reference.record, other.record
    if None in (left.weights_sha256, right.weights_sha256):
        return Judged(False, f"nothing to compare: the runs ended {left.status} and {right.status}")
    pairs = {
        "status": (left.status, right.status),
        "head before the first step": (left.initial_head_sha256, right.initial_head_sha256),
        "order of the batches": (left.batch_order_sha256, right.batch_order_sha256),
        "weights of the last step": (left.weights_sha256, right.weights_sha256),
        "losses and gradient norms": (_steps(reference.run_dir), _steps(other.run_dir)),
        "scores of the last step": (left.final, right.final),
    }
    differences = tuple(name for name, (a, b) in pairs.items() if a != b)
    return Judged(True, "bitwise") if not differences else Judged(False, _told("different", differences, None))


def _steps(run_dir: Path) -> list[object]:
    return [event for event in read_curves(run_dir / "curves.jsonl") if event["kind"] == "step"]


def _told(verdict: str, differences: tuple[str, ...], first_step: int | None) -> str:
    named = ", ".join(differences[:N_NAMED]) + (" and more" if len(differences) > N_NAMED else "")
    since = "" if first_step is None else f", first at step {first_step}"
    return f"{verdict}: {named}{since}"


def exact_gradient(error: float) -> Judged:
    """Judges what `accumulation_error` measured."""
    passed = error < ACCUMULATION_TOLERANCE
    return Judged(passed, f"largest difference {error:.0e} of the largest element{'' if passed else ', which is no rounding'}")


class Check(NamedTuple):
    """One thing that must make no difference."""

    title: str
    how: str
    judge: Callable[[RunOnDisk, RunOnDisk], Judged] | None = None
    """Judges two runs; None where a number is judged, or nothing."""
    not_applicable: str | None = None
    """Why there is nothing to check."""


CHECKS: dict[str, Check] = {
    "same_seed": Check("Same seed again", "the same run in two fresh processes", all_of_it),
    "reused_worker": Check("In a reused worker", "a process that has trained other runs before", all_of_it),
    "beside_others": Check("Beside others", "another run trains on the same device all the while", all_of_it),
    "evaluation_cadence": Check(
        "Another evaluation cadence", "validated after every step against after the last one", training_alone
    ),
    "data_workers": Check(
        "Other data workers",
        "any number of processes that load data",
        not_applicable="There are none: a run reads its examples in its own process, from files mapped into memory.",
    ),
    "kill_and_resume": Check("After a kill and a resume", "killed while it saves its state, gone on with", all_of_it),
    "accumulation": Check(
        "Accumulation instead of a large batch",
        "gradient of the first step, in doubles, without dropout",
    ),
}
"""Key → check, in the order of the report."""
