"""What was verified in a study: runs trained again, and the checks of its certificate, each with when, where and the result."""

from __future__ import annotations

from typing import Literal

from bertft_core.config.base import Frozen

VERIFICATION_VERSION = 2
VERIFICATION_FILE = "verification.json"

DECIDING_PACKAGES = ("bertft", "torch", "transformers", "tokenizers", "safetensors", "numpy")
HARMLESS_VARIABLES = ("CUDA_VISIBLE_DEVICES", "PYTHONHASHSEED")
"""Recorded, but neither the index of a GPU nor Python's hashing changes a number."""

Verdict = Literal["bitwise", "equal within", "different", "not reproducible here"]
"""`different`: the two runs cannot be compared number by number, for example when only one of them diverged."""
DifferenceCode = Literal[
    "status", "n_steps", "initial_head", "batch_order", "weights", "evaluations", "metrics", "best_step",
    "losses", "final_metrics", "no_weights", "file", "file_missing", "file_changed", "file_not_written",
]  # fmt: skip
"""`losses` are those of every step with their gradient norms; `no_weights`: a run ended without any, so nothing was compared."""
EnvironmentPart = Literal[
    "processor", "device", "cpu_capability", "kernels", "threads", "gpu_driver", "package", "torch_setting", "variable",
    "bertft_code", "python", "platform", "lock_file", "host",
]  # fmt: skip


class RunDifference(Frozen):
    """One thing that differs between a recorded run and the run trained again."""

    code: DifferenceCode
    a: str | int | None = None
    """In the record, where the value is short."""
    b: str | int | None = None
    path: str | None = None
    """Of a file, below the run's folder."""


class EnvironmentChange(Frozen):
    """One thing that differs between two environments."""

    part: EnvironmentPart
    name: str | None = None
    """Of a package, a setting of torch or an environment variable."""
    a: str | None = None
    """None for a package that is not installed and a variable that is not set."""
    b: str | None = None

    @property
    def decides(self) -> bool:
        """Whether it can change what a run computes."""
        if self.part == "package":
            return self.name in DECIDING_PACKAGES
        if self.part == "variable":
            return self.name not in HARMLESS_VARIABLES
        return self.part not in ("python", "platform", "lock_file", "host")


class VerdictFinding(Frozen):
    """The result of comparing a run with its record."""

    verdict: Verdict
    largest_difference: float | None = None
    """Largest absolute difference of a metric; None when the two runs do not have the same metrics."""
    first_step: int | None = None
    """First step whose loss or gradient norm differs."""
    differences: tuple[RunDifference, ...] = ()
    environment: tuple[EnvironmentChange, ...] = ()
    """How this machine differs from the recorded one; alone, it is no fault."""
    error: str | None = None
    """Text of the error that kept the run from being trained again."""

    @property
    def deciding(self) -> tuple[EnvironmentChange, ...]:
        """The changes of the environment that explain the verdict `not reproducible here`."""
        explained = self.verdict == "not reproducible here" and self.differences
        return tuple(change for change in self.environment if change.decides) if explained else ()


class RunVerdict(Frozen):
    """One run, trained once more from its record."""

    run_digest: str
    title: str
    recorded_at: str
    """When the recorded run ended: a verdict is about that record, not about a later one in its place."""
    how: Literal["verify", "replay"]
    finding: VerdictFinding
    checked_at: str
    """ISO 8601, UTC."""
    machine: str
    """Device and host."""


class CheckDetails(Frozen):
    """How a check of the certificate was carried out; only what belongs to it is set."""

    left_out: tuple[str, ...] = ()
    """Strategies that the check had to leave out."""
    overlapped: bool | None = None
    """Whether the other run was still training when this one ended."""
    killed_after_step: int | None = None
    resumed_from_step: int | None = None
    """None where the run started again from the beginning."""
    n_examples: int | None = None
    """Examples of the batch that was accumulated, in `n_passes` passes."""
    n_passes: int | None = None


class CheckResult(Frozen):
    """One check of the certificate, made on a shortened run of the study."""

    check: str
    """Its key in the table of checks."""
    title: str
    """Of the run."""
    run_digest: str
    n_steps: int
    passed: bool | None
    """None where the check does not apply or could not be made."""
    finding: VerdictFinding | None = None
    """Of the two runs that were compared."""
    gradient_error: float | None = None
    """Largest difference of a gradient's element, as a share of the largest element; of accumulation."""
    details: CheckDetails = CheckDetails()
    checked_at: str
    machine: str


class Verification(Frozen):
    """Everything verified so far; the newest of each kind."""

    version: int = VERIFICATION_VERSION
    runs: tuple[RunVerdict, ...] = ()
    checks: tuple[CheckResult, ...] = ()

    def with_run(self, verdict: RunVerdict) -> Verification:
        """With one more verdict; it replaces an older one of the same run on the same machine."""
        kept = [old for old in self.runs if (old.run_digest, old.machine) != (verdict.run_digest, verdict.machine)]
        return self.model_copy(update={"runs": (*kept, verdict)})

    def with_checks(self, results: tuple[CheckResult, ...]) -> Verification:
        """With newer checks; each replaces an older one of its kind."""
        names = {result.check for result in results}
        return self.model_copy(update={"checks": (*(old for old in self.checks if old.check not in names), *results)})
