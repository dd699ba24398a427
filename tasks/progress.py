"""How far a study is: runs done of runs planned, by stage and arm, and the time that is left."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from bertft_core.config.addresses import shown
from bertft_core.records import RunRecord, RunSpec

Stage = Literal["prepare", "search", "seeds", "probe", "evaluate", "report"]
WORDS: dict[Stage, str] = {
    "prepare": "preparing the data",
    "search": "searching",
    "seeds": "training over seeds",
    "probe": "probing the models",
    "evaluate": "evaluating",
    "report": "writing the report",
}


TOLD_EVERY_SECONDS = 0.5
"""How often, at most, listeners hear of runs that are taken from an earlier command: a thousand of them take seconds."""


@dataclass(frozen=True)
class Snapshot:
    """The state of a study at one moment."""

    stage: Stage
    done: int
    """Runs of this stage that ended, reused ones included."""
    planned: int
    failed: int
    reused: int
    running: tuple[str, ...]
    """Titles of the runs in training, each with its share done."""
    total_done: int
    total_planned: int
    seconds_elapsed: float
    seconds_left: float | None
    """Until the last run ends; unknown before the first one did."""
    waits_for: str | None = None
    """What runs wait for besides a free worker, in words."""

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
            parts.append(" | ".join(self.running))
        return " · ".join(parts)


def clock(seconds: float) -> str:
    """`75.2` → `1:15`, an hour more → `1:01:15`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


@dataclass
class _Running:
    arm: str
    started: float
    step: int = 0
    planned_steps: int | None = None

    @property
    def share(self) -> float:
        return self.step / self.planned_steps if self.planned_steps else 0.0


@dataclass
class StudyProgress:
    """Counts what happens; listeners are called at each change of stage and each run that ends, reused ones now and then.

    Safe to use from many threads.
    """

    listeners: list[Callable[[Snapshot], object]] = field(default_factory=list)
    n_slots: int = 1
    problems: list[str] = field(default_factory=list)
    """What was damaged or could not be logged, and what was done about it, for the user to read at the end."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._stage: Stage = "prepare"
        self._started = time.monotonic()
        self._planned: dict[tuple[str, str], int] = {}
        self._done: dict[tuple[str, str], int] = {}
        self._failed: dict[str, int] = {}
        self._reused: dict[str, int] = {}
        self._seconds: dict[str, list[float]] = {}
        self._running: dict[str, _Running] = {}
        self._waits_for: str | None = None
        self._told_at = -TOLD_EVERY_SECONDS

    def tell(self, problem: str) -> None:
        """Remember a problem for the end, each one once."""
        with self._lock:
            if problem not in self.problems:
                self.problems.append(problem)

    def wait_for(self, what: str | None) -> None:
        """Runs wait for this, in words, or for nothing but a free worker."""
        with self._lock:
            self._waits_for = what
        self._tell()

    def plan(self, stage: Stage, arm: str, n: int) -> None:
        """Say how many runs of an arm a stage will have at most; a later word replaces an earlier one."""
        with self._lock:
            self._planned[stage, arm] = n

    def plan_more(self, stage: Stage, arm: str, n: int) -> None:
        """So many runs are wanted beyond those that have ended."""
        with self._lock:
            self._planned[stage, arm] = self._done.get((stage, arm), 0) + n

    def enter(self, stage: Stage) -> None:
        """A stage begins."""
        with self._lock:
            self._stage = stage
        self._tell()

    def on_event(self, spec: RunSpec, event: dict) -> None:
        """A running run reports."""
        if event["kind"] == "problem":
            self.tell(f"{spec.title}: {event['text']}")
            return
        with self._lock:
            run = self._running.setdefault(spec.title, _Running(spec.arm, time.monotonic()))
            if event["kind"] == "started":
                run.planned_steps = event["planned_steps"]
            run.step = event.get("step") or run.step

    def ended(self, spec: RunSpec, record: RunRecord, *, reused: bool) -> None:
        """A run has its record."""
        with self._lock:
            run = self._running.pop(spec.title, None)
            stage = "seeds" if spec.stage == "repeats" else spec.stage  # they are trained together
            self._done[stage, spec.arm] = self._done.get((stage, spec.arm), 0) + 1
            if reused:
                self._reused[stage] = self._reused.get(stage, 0) + 1
            elif run is not None and record.status != "pruned":
                self._seconds.setdefault(spec.arm, []).append(time.monotonic() - run.started)
            if record.status in ("failed", "diverged"):
                self._failed[stage] = self._failed.get(stage, 0) + 1
        self._tell(soon=reused)

    def probed(self, spec: RunSpec, *, reused: bool, failed: bool = False) -> None:
        """The model of a run was probed, or it was known before what the probes say of it."""
        with self._lock:
            self._done["probe", spec.arm] = self._done.get(("probe", spec.arm), 0) + 1
            for counts, is_so in ((self._reused, reused), (self._failed, failed)):
                counts["probe"] = counts.get("probe", 0) + is_so
        self._tell(soon=reused)

    def snapshot(self) -> Snapshot:
        """Where the study is now."""
        with self._lock:
            stage = self._stage
            in_stage = [key for key in self._planned if key[0] == stage]
            return Snapshot(
                stage=stage,
                done=sum(self._done.get(key, 0) for key in in_stage),
                planned=sum(self._planned[key] for key in in_stage),
                failed=self._failed.get(stage, 0),
                reused=self._reused.get(stage, 0),
                running=tuple(f"{title} {run.share:.0%}" for title, run in self._running.items()),
                total_done=sum(self._done.values()),
                total_planned=sum(self._planned.values()),
                seconds_elapsed=time.monotonic() - self._started,
                seconds_left=self._seconds_left(),
                waits_for=self._waits_for,
            )

    def _seconds_left(self) -> float | None:
        """Runs to come, each as long as its arm's runs were on average, spread over the slots."""
        every = [seconds for arm in self._seconds.values() for seconds in arm]
        left = {key: n - self._done.get(key, 0) for key, n in self._planned.items() if key[0] != "probe"}
        if self._planned and not any(n > 0 for n in left.values()):
            return 0.0
        if not every:
            return None
        mean = {arm: sum(seconds) / len(seconds) for arm, seconds in self._seconds.items()}
        overall = sum(every) / len(every)
        total = sum(max(0, n) * mean.get(arm, overall) for (_, arm), n in left.items())
        total -= sum(run.share * mean.get(run.arm, overall) for run in self._running.values())
        return max(0.0, total / self.n_slots)

    def _tell(self, *, soon: bool = False) -> None:
        """A listener that fails is left out from then on: the study goes on without whoever wants to watch it.

        `soon`: the next change tells it too, if they have heard something just now; a stage always has a next one.
        """
        now = time.monotonic()
        if soon and now - self._told_at < TOLD_EVERY_SECONDS:
            return
        self._told_at, snapshot = now, self.snapshot()
        for listener in tuple(self.listeners):
            try:
                listener(snapshot)
            except Exception as error:  # whatever a server that is away raises
                self.tell(f"the progress was not shown to its end: {type(error).__name__}: {shown(error)}")
                with suppress(ValueError):  # another thread was faster
                    self.listeners.remove(listener)
