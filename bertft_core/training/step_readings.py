"""What a step has computed, and when it is read: at once, or on a GPU while the step after it is under way.

Reading waits until the device has finished all queued work, and meanwhile no new work is queued.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class NotFinite(Exception):
    """A loss that is no number any more."""

    def __init__(self, value: float, step: int) -> None:
        """`step`: how many steps there were, its own included."""
        super().__init__(f"the loss became {value} at step {step}")
        self.value, self.step = value, step


class StepReadings:
    """The losses and gradient norms of steps, emitted as `step` events in their order."""

    def __init__(self, emit: Callable[[dict[str, Any]], None], *, late: bool) -> None:
        """`late`: what a step has computed is read when the next one has been started."""
        self.late, self._emit = late, emit
        self._unread: tuple[dict[str, Any], Tensor, torch.cuda.Event | None] | None = None

    def put(self, event: dict[str, Any], computed: Tensor) -> None:
        """Keep what a step has computed: the parts of its loss and, last, the norm of its gradient."""
        assert self._unread is None
        copied = None
        if computed.is_cuda:  # the copy is queued before anything of the next step
            computed, copied = computed.to("cpu", non_blocking=True), torch.cuda.Event()
            copied.record()
        self._unread = event, computed, copied

    def read(self) -> float:
        """Emit what was kept, if anything, and return its norm, else 0. Raises `NotFinite` for a loss that is no number."""
        if self._unread is None:
            return 0.0
        (event, computed, copied), self._unread = self._unread, None
        if copied is not None:
            copied.synchronize()
        *parts, norm = computed.tolist()
        loss = sum(parts)
        for value in (loss, event.get("replay_loss", 0.0)):
            if not math.isfinite(value):
                raise NotFinite(value, event["step"])
        measured = {"loss": loss, "learning_rate": event["learning_rate"], "grad_norm": norm if math.isfinite(norm) else None}
        self._emit({"kind": "step", "step": event["step"]} | measured | event)
        return float(norm)
