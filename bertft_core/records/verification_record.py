"""What was proved of a study: runs trained again, and the checks of its certificate, each with when, where and the result."""

from __future__ import annotations

from typing import Literal

from bertft_core.config.base import Frozen

VERIFICATION_VERSION = 1
VERIFICATION_FILE = "verification.json"

Verdict = Literal["bitwise", "equal within", "different", "not reproducible here"]
"""`different`: the two cannot be held against each other number by number, as when only one of them diverged."""


class VerdictFinding(Frozen):
    """What a comparison with a recorded run said."""

    verdict: Verdict
    largest_difference: float | None = None
    """Largest absolute difference of a metric; of `equal within`."""
    first_step: int | None = None
    """First step whose loss or gradient norm differs."""
    differences: tuple[str, ...] = ()
    """What is not the same, such as 'weights of the last step'."""
    environment: tuple[str, ...] = ()
    """In what this machine is another than the recorded one; alone, it is no fault."""
    reason: str | None = None
    """Why it is not reproducible here."""

    @property
    def words(self) -> str:
        """The verdict with its number: `equal within 0.0125`."""
        if self.verdict == "equal within":
            return f"equal within {self.largest_difference:.3g}"
        return self.verdict


class RunVerdict(Frozen):
    """One run, trained once more from its record."""

    run_digest: str
    title: str
    recorded_at: str
    """When the recorded run ended: a verdict speaks of that one, not of a later one in its place."""
    how: Literal["verify", "replay"]
    finding: VerdictFinding
    checked_at: str
    """ISO 8601, UTC."""
    machine: str
    """Device and host."""


class CheckResult(Frozen):
    """One check of the certificate, made on a run of the study, shortened."""

    check: str
    """Its key in the table of checks."""
    title: str
    """Of the run."""
    run_digest: str
    n_steps: int
    passed: bool | None
    """None where the check does not apply."""
    found: str
    """What came out, in one sentence."""
    checked_at: str
    machine: str


class Verification(Frozen):
    """All that was proved so far; the newest of each kind."""

    version: int = VERIFICATION_VERSION
    runs: tuple[RunVerdict, ...] = ()
    checks: tuple[CheckResult, ...] = ()

    def with_run(self, verdict: RunVerdict) -> Verification:
        """With one more; it takes the place of an older one of the same run on the same machine."""
        kept = [old for old in self.runs if (old.run_digest, old.machine) != (verdict.run_digest, verdict.machine)]
        return self.model_copy(update={"runs": (*kept, verdict)})

    def with_checks(self, results: tuple[CheckResult, ...]) -> Verification:
        """With newer checks; each takes the place of an older one of its kind."""
        names = {result.check for result in results}
        return self.model_copy(update={"checks": (*(old for old in self.checks if old.check not in names), *results)})
