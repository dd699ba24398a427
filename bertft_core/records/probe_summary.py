"""What the probes say over the seeds of each arm."""

from __future__ import annotations

from bertft_core.config.base import Frozen


class ProbeRow(Frozen):
    """One number of a probe over the seeds of one arm."""

    arm: str
    probe: str
    """A part of the study's `probes` section."""
    measure: str
    where: str | None = None
    """The layer, the split, or how many top layers were put back (`top 3`); absent for a number of the whole run."""
    n: int
    mean: float
    sd: float | None
    """ddof 1; absent for one seed."""
    min: float
    max: float
    values: dict[int, float]
    """Seed index → value."""


class ProbeAbsence(Frozen):
    """Why a probe, or a part of it, says nothing of some seeds."""

    arm: str
    probe: str
    reason: str
    seeds: tuple[int, ...]


class ProbeFinding(Frozen):
    """One plain sentence about one arm, without its full stop."""

    arm: str
    probe: str
    sentence: str
    is_sign: bool
    """A sign of forgetting, or of training gone too far or wrong."""


class ProbeSummary(Frozen):
    """All of it."""

    rows: tuple[ProbeRow, ...]
    absences: tuple[ProbeAbsence, ...] = ()
    findings: tuple[ProbeFinding, ...] = ()
    """The signs first."""
    verdict: str
    """Whether there is any sign, without its full stop."""
