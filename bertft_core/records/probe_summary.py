"""What the probes measured over the seeds of each arm."""

from bertft_core.config.base import Frozen
from bertft_core.records.not_computed import NotComputed


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
    """Why a probe, or a part of it, has no result for some seeds."""

    arm: str
    probe: str
    why: NotComputed
    seeds: tuple[int, ...]


class ProbeFinding(Frozen):
    """An arm and probe whose rows are worth a sentence."""

    arm: str
    probe: str
    is_sign: bool
    """A sign of forgetting, or of training that went too far or wrong."""


class ProbeSummary(Frozen):
    """All probes of a study."""

    rows: tuple[ProbeRow, ...]
    absences: tuple[ProbeAbsence, ...] = ()
    findings: tuple[ProbeFinding, ...] = ()
    """The signs first."""
