"""How far a study is: runs done of runs planned, by stage and arm, and the time that is left."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from bertft_core.config.addresses import shown
from bertft_core.records import RunRecord, RunSpec
from tasks.progress_snapshot import ArmProgress, Snapshot, Stage
from tasks.running_runs import Watched

REPORT_EVERY_SECONDS = 0.5
"""How often, at most, listeners hear of runs that are taken from an earlier command: a thousand of them take seconds."""
LEAST_SECONDS = 1.0
"""Left while anything is left to train: 0:00 is for runs that are over."""


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
        self._scores: dict[tuple[str, str], list[float]] = {}
        self._metric: str | None = None
        self._running: dict[str, Watched] = {}
        """By the digest of the run."""
        self._links: dict[str, str] = {}
        self._waits_for: str | None = None
        self._reported_at = -REPORT_EVERY_SECONDS

    def tell(self, problem: str) -> None:
        """Remember a problem for the end, each one once."""
        with self._lock:
            if problem not in self.problems:
                self.problems.append(problem)

    def link(self, tool: str, address: str) -> None:
        """A page where the study can be watched answers from now on; a later address of a tool replaces an earlier one."""
        with self._lock:
            self._links[tool] = address

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
            now = time.monotonic()
            self._running.setdefault(spec.digest, Watched(spec, now)).hear(event, now)

    def ended(self, spec: RunSpec, record: RunRecord, *, reused: bool) -> None:
        """A run has its record."""
        with self._lock:
            run = self._running.pop(spec.digest, None)
            stage = "seeds" if spec.stage == "repeats" else spec.stage  # they are trained together
            self._done[stage, spec.arm] = self._done.get((stage, spec.arm), 0) + 1
            if record.best_score is not None:
                self._metric = spec.metric
                self._scores.setdefault((stage, spec.arm), []).append(record.best_score)
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
                running=tuple(run.seen() for run in self._running.values() if not run.has_ended),
                trained=sum(run.has_ended for run in self._running.values()),
                total_done=sum(self._done.values()),
                total_planned=sum(self._planned.values()),
                seconds_elapsed=time.monotonic() - self._started,
                seconds_left=self._seconds_left(),
                waits_for=self._waits_for,
                arms=tuple(self._of_arm(*key) for key in in_stage if self._planned[key]),
                links=tuple(self._links.items()),
            )

    def _of_arm(self, stage: str, arm: str) -> ArmProgress:
        scores = tuple(self._scores.get((stage, arm), ()))
        n_done, n_planned = self._done.get((stage, arm), 0), self._planned[stage, arm]
        return ArmProgress(arm, n_done, n_planned, self._metric if scores else None, scores)

    def _seconds_left(self) -> float | None:
        """Runs to come, each as long as its arm's runs were on average, spread over the slots.

        Until a first run has ended, the speed of those that are running counts.
        """
        left = {key: n - self._done.get(key, 0) for key, n in self._planned.items() if key[0] != "probe"}
        if self._planned and not any(n > 0 for n in left.values()):
            return 0.0
        known = self._seconds or self._projected()
        if not known:
            return None
        mean = {arm: sum(seconds) / len(seconds) for arm, seconds in known.items()}
        overall = sum(map(sum, known.values())) / sum(map(len, known.values()))
        total = sum(max(0, n) * mean.get(arm, overall) for (_, arm), n in left.items())
        total -= sum(run.share * mean.get(run.spec.arm, overall) for run in self._running.values())
        return max(LEAST_SECONDS, total / self.n_slots)

    def _projected(self) -> dict[str, list[float]]:
        """Arm → how long its running runs will take in all, by their own speed: until the first run has ended."""
        projected: dict[str, list[float]] = {}
        for run in self._running.values():
            if (seconds := run.whole_seconds) is not None:
                projected.setdefault(run.spec.arm, []).append(seconds)
        return projected

    def _tell(self, *, soon: bool = False) -> None:
        """A listener that fails is left out from then on: the study goes on without whoever wants to watch it.

        `soon`: the next change tells it too, if they have heard something just now; a stage always has a next one.
        """
        now = time.monotonic()
        if soon and now - self._reported_at < REPORT_EVERY_SECONDS:
            return
        self._reported_at, snapshot = now, self.snapshot()
        for listener in tuple(self.listeners):
            try:
                listener(snapshot)
            except Exception as error:  # whatever a server that is away raises
                self.tell(f"the progress was not shown to its end: {type(error).__name__}: {shown(error)}")
                with suppress(ValueError):  # another thread was faster
                    self.listeners.remove(listener)
