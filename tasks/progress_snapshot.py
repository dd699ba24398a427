"""The state of a study at one moment, and the one line that says it."""

from dataclasses import dataclass
from typing import Literal

from tasks.running_runs import RunningRun

Stage = Literal["prepare", "search", "seeds", "probe", "evaluate", "report"]
WORDS: dict[Stage, str] = {
    "prepare": "preparing the data",
    "search": "searching",
    "seeds": "training over seeds",
    "probe": "probing the models",
    "evaluate": "evaluating",
    "report": "writing the report",
}


@dataclass(frozen=True)
class ArmProgress:
    """The runs of one arm in the present stage."""

    arm: str
    done: int
    planned: int
    metric: str | None
    """None while no run of it has a score."""
    scores: tuple[float, ...]
    """Best validation score of each run that ended, in the order in which they ended."""


@dataclass(frozen=True)
class Snapshot:
    """The state of a study at one moment."""

    stage: Stage
    done: int
    """Runs of this stage that ended, reused ones included."""
    planned: int
    failed: int
    reused: int
    running: tuple[RunningRun, ...]
    """The runs that workers carry out now."""
    trained: int
    """Runs that workers are done with and that are not among `done` yet: what is kept and logged of them is under way."""
    total_done: int
    total_planned: int
    seconds_elapsed: float
    seconds_left: float | None
    """Until the last run ends, at least a second while one is left; unknown before a run has shown how long it takes."""
    waits_for: str | None = None
    """What runs wait for besides a free worker, in words."""
    arms: tuple[ArmProgress, ...] = ()
    """Those with runs in this stage."""
    links: tuple[tuple[str, str], ...] = ()
    """Pages where the study can be watched: of which tool, and their address."""

    @property
    def share(self) -> float:
        """Of the planned runs, those that ended; 0 to 1."""
        return min(1.0, self.total_done / self.total_planned) if self.total_planned else 0.0

    def line(self) -> str:
        """All of it in one line."""
        parts = [WORDS[self.stage]]
        if self.planned:
            parts.append(f"{self.done}/{self.planned} runs")
        if self.failed:
            parts.append(f"{self.failed} failed")
        if self.stage in ("prepare", "search", "seeds"):
            left = "unknown yet" if self.seconds_left is None else f"about {clock(self.seconds_left)}"
            parts.append(f"time left {left}")
        if self.waits_for:
            parts.append(self.waits_for)
        if self.running:
            parts.append(" | ".join(run.line() for run in self.running))
        return " · ".join(parts)


def clock(seconds: float) -> str:
    """`75.2` → `1:15`, an hour more → `1:01:15`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
