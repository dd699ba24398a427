"""The training loop: optimizer steps, validations, early stopping, pruning, and a state that can be saved at any step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from bertft_core.config.head import Direction
from bertft_core.records import Evaluation, RunSpec
from bertft_core.strategies.setup import Setup
from bertft_core.training import weights
from bertft_core.training.checkpoint import (
    Position,
    load_checkpoint,
    optimizer_tensors,
    restore_optimizer,
    save_checkpoint,
)
from bertft_core.training.determinism import enter_dropout_stream, masking_draw
from bertft_core.training.forward import Forward
from bertft_core.training.optimizer import build_optimizer, learning_rate_factor, n_warmup_steps
from bertft_core.training.steps import StepPlan
from bertft_core.training.validation import Validation

Ending = Literal["completed", "stopped_early", "diverged", "pruned"]


class Loop:
    """One run between its first and its last step."""

    def __init__(
        self,
        spec: RunSpec,
        setup: Setup,
        forward: Forward,
        plan: StepPlan,
        *,
        train_split: Any,
        validation: Validation,
        direction: Direction,
        checkpoint_dir: Path,
        emit: Callable[[dict[str, Any]], None],
    ) -> None:
        self.spec, self.setup, self.forward, self.plan = spec, setup, forward, plan
        self.training = spec.training
        self._train_split, self.validation, self._emit = train_split, validation, emit
        self._sign = 1.0 if direction == "maximize" else -1.0
        self._checkpoint_dir = checkpoint_dir
        self._n_warmup = n_warmup_steps(plan.n_steps, self.training.warmup_ratio)
        self._names = {id(p): name for name, p in setup.model.named_parameters()}
        self.optimizer = build_optimizer(setup.model, self.training)
        self._scaler = torch.amp.GradScaler("cuda", enabled=self.training.precision == "fp16")
        self._learning = [p for p in setup.model.parameters() if p.requires_grad]
        self.position = Position(digest=spec.digest)
        self.best_weights: dict[str, Tensor] = {}

    def run(self) -> tuple[Ending, str | None]:
        """Train to the end from wherever the run is; how it ended, and why if it diverged."""
        evaluation_steps = set(self.plan.evaluation_steps)
        self._saved_at = time.monotonic()
        while self.position.step < self.plan.n_steps:
            loss = self._timed_step()
            if not math.isfinite(loss):
                return "diverged", f"the loss became {loss} at step {self.position.step} of {self.plan.n_steps}"
            if self.position.step in evaluation_steps:
                ended = self._evaluate()
                if ended is not None:
                    return ended
            if time.monotonic() - self._saved_at > self.spec.checkpoint_every_seconds:
                self.save()
        return "completed", None

    def _timed_step(self) -> float:
        started = time.monotonic()
        loss = self._step()
        self._advance(step=self.position.step + 1, train_seconds=self.position.train_seconds + time.monotonic() - started)
        return loss

    def _step(self) -> float:
        """One optimizer step; the mean loss of its targets. Its gradient is exact however the step is cut in passes."""
        step = self.position.step
        learning_rate = self.training.learning_rate * learning_rate_factor(step, self.plan.n_steps, self._n_warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        draw = masking_draw(self.spec.seeds.dropout, step)
        passes = [(part, self.forward.work(self._train_split, part, draw)) for part in self.plan.micro_batches(step)]
        n_targets = max(1, sum(work.n_targets for _, work in passes))
        self.setup.train_mode()
        loss = 0.0
        for micro, (indices, work) in enumerate(passes):
            enter_dropout_stream(self.spec.seeds.dropout, step, micro)
            logits = self.forward.logits(self._train_split, indices, work)
            part = self.forward.loss_sum(logits, work) / n_targets
            self._scaler.scale(part).backward()
            loss += float(part.detach())
        if math.isfinite(loss):
            grad_norm = self._update()
            self._emit({"kind": "step", "step": step + 1, "loss": loss, "learning_rate": learning_rate, "grad_norm": grad_norm})
        return loss

    def _update(self) -> float | None:
        """Clip and apply the gradients; their global norm before clipping (None when it is not finite, as fp16 may have it)."""
        self._scaler.unscale_(self.optimizer)
        limit = self.training.max_grad_norm if self.training.max_grad_norm is not None else math.inf
        norm = float(torch.nn.utils.clip_grad_norm_(self._learning, limit))
        self._scaler.step(self.optimizer)
        self._scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        return norm if math.isfinite(norm) else None

    def _evaluate(self) -> tuple[Ending, str | None] | None:
        started = time.monotonic()
        metrics = self.validation.metrics(self.position.step, self.position.best_step)
        position = self.position
        if metrics is None:
            return "diverged", f"the logits of the validation set were not finite after step {position.step}"
        evaluation = Evaluation(step=position.step, epoch=self.plan.epoch(position.step), metrics=metrics)
        score = metrics[self.spec.metric]
        stopping = self.training.early_stopping
        min_delta = stopping.min_delta if stopping is not None else 0.0
        rise = math.inf if position.best_score is None else self._sign * (score - position.best_score)
        self._advance(
            evaluations=(*position.evaluations, evaluation),
            evaluate_seconds=position.evaluate_seconds + time.monotonic() - started,
            n_without_rise=0 if rise > min_delta else position.n_without_rise + 1,
        )
        if rise > 0:
            self._advance(best_step=position.step, best_score=score)
            self.best_weights = weights.copy_of(self.setup.model)
        self._emit({"kind": "evaluation", "step": evaluation.step, "epoch": evaluation.epoch, "metrics": metrics})
        threshold = self.spec.prune_below.get(len(self.position.evaluations) - 1)
        if threshold is not None and self._sign * (score - threshold) < 0 and position.step < self.plan.n_steps:
            return "pruned", None
        if stopping is not None and self.position.n_without_rise >= stopping.patience and position.step < self.plan.n_steps:
            return "stopped_early", None
        return None

    def _advance(self, **changes: Any) -> None:
        self.position = self.position.model_copy(update=changes)

    def save(self) -> None:
        """Save the state after the last step; the `saving` event lets its listener write what belongs to it first."""
        self._emit({"kind": "saving", "step": self.position.step})
        tensors = {f"weights/{name}": p.detach() for name, p in self.setup.model.named_parameters() if p.requires_grad}
        tensors |= {f"best/{name}": values for name, values in self.best_weights.items()}
        tensors |= optimizer_tensors(self.optimizer, self._names)
        self._advance(scaler=self._scaler.state_dict() if self._scaler.is_enabled() else {})
        save_checkpoint(self._checkpoint_dir, self.position, tensors)
        self._saved_at = time.monotonic()

    def resume(self) -> bool:
        """Go to the newest saved state of this run, if there is one."""
        loaded = load_checkpoint(self._checkpoint_dir, self.spec.digest)
        if loaded is None:
            return False
        self.position, tensors = loaded
        weights.put_back(self.setup.model, _below("weights/", tensors))
        self.best_weights = _below("best/", tensors)
        restore_optimizer(self.optimizer, tensors, dict(self.setup.model.named_parameters()))
        if self.position.scaler:
            self._scaler.load_state_dict(dict(self.position.scaler))
        return True


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): values for name, values in tensors.items() if name.startswith(prefix)}
