"""The runs that train at this moment: how far each is, how fast, and how long it will still take."""

from dataclasses import dataclass
from typing import Literal

from bertft_core.records import RunSpec

Doing = Literal["starting", "training", "predicting"]
ENOUGH = 0.05
"""Of its steps, what a run must have done before its length is estimated from its own speed."""


@dataclass(frozen=True)
class RunningRun:
    """A run at one moment."""

    title: str
    arm: str
    doing: Doing
    step: int
    planned_steps: int | None
    loss: float | None
    """Of the last step."""
    metric: str
    score: float | None
    """The metric of the last validation."""
    examples_per_second: float | None
    seconds_left: float | None
    """Until its last step, validations included; unknown before a second step."""

    @property
    def share(self) -> float:
        """Of its steps, those that are done; 0 to 1."""
        return self.step / self.planned_steps if self.planned_steps else 0.0

    def line(self) -> str:
        """Its title and share."""
        return f"{self.title} {self.share:.0%}"


class Watched:
    """What the events of one run tell; every time is in seconds of one clock that only goes forward."""

    def __init__(self, spec: RunSpec, now: float) -> None:
        self.spec, self.started = spec, now
        self.step, self.planned_steps = 0, None
        self.has_ended = False
        """The worker is done with it; what is logged and kept of it may still be under way."""
        self._doing: Doing = "starting"
        self._loss: float | None = None
        self._score: float | None = None
        self._first: tuple[int, float] | None = None
        self._last = now

    @property
    def share(self) -> float:
        return self.step / self.planned_steps if self.planned_steps else 0.0

    def hear(self, event: dict, now: float) -> None:
        """Take in an event of `train_run`. A run that is begun again has its second attempt's speed."""
        kind = event["kind"]
        self.step = event.get("step") or self.step
        self.has_ended = kind == "ended"
        if kind == "started":
            self.planned_steps, self._first = event["planned_steps"], None
            self.step, self._doing = event.get("resumed_from_step") or 0, "training"
        elif kind == "step":
            self._first = self._first or (self.step, now)
            self._loss, self._last, self._doing = event.get("loss"), now, "training"
        elif kind == "evaluation":
            self._score, self._last = event.get("metrics", {}).get(self.spec.metric), now
        elif kind == "predicting":
            self._doing = "predicting"

    @property
    def seconds_per_step(self) -> float | None:
        """Mean since the first step, validations included; None before the second."""
        if self._first is None or self.step <= self._first[0] or self._last <= self._first[1]:
            return None
        return (self._last - self._first[1]) / (self.step - self._first[0])

    @property
    def whole_seconds(self) -> float | None:
        """How long the whole run takes at its own speed; None before it has done enough of it."""
        each = self.seconds_per_step
        return None if each is None or self.planned_steps is None or self.share < ENOUGH else each * self.planned_steps

    def seen(self) -> RunningRun:
        """The run as it is now."""
        each, n = self.seconds_per_step, self.planned_steps
        return RunningRun(
            title=self.spec.title,
            arm=self.spec.arm,
            doing=self._doing,
            step=self.step,
            planned_steps=n,
            loss=self._loss,
            metric=self.spec.metric,
            score=self._score,
            examples_per_second=None if each is None else self.spec.training.batch_size / each,
            seconds_left=None if each is None or n is None or self._doing == "predicting" else each * (n - self.step),
        )
