"""The training loop: optimizer steps, validations, early stopping, pruning, and a state that can be saved at any step."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from bertft_core.records import Evaluation, RunSpec
from bertft_core.records.selection import cut_step
from bertft_core.strategies.plan import FinetuningPlan
from bertft_core.training import weights
from bertft_core.training.checkpoint import (
    CheckpointWriter,
    Position,
    load_checkpoint,
    optimizer_tensors,
    restore_optimizer,
)
from bertft_core.training.curve_file import CurveFile
from bertft_core.training.determinism import enter_dropout_stream, masking_draw
from bertft_core.training.evaluations import EarlyStopper, Validation, WeightAverage
from bertft_core.training.model_runner import ModelRunner
from bertft_core.training.optimizer import build_optimizer, learning_rate_factor, n_warmup_steps
from bertft_core.training.replayed_steps import ReplayedSteps
from bertft_core.training.step_plan import StepPlan
from bertft_core.training.step_readings import NotFinite, StepReadings

StopReason = Literal["completed", "stopped_early", "diverged", "pruned"]


class RunLeft(Exception):
    """The run was asked to stop in the middle, and has saved its state."""


class Loop:
    """One run between its first and its last step."""

    def __init__(
        self,
        spec: RunSpec,
        plan: FinetuningPlan,
        runner: ModelRunner,
        steps: StepPlan,
        *,
        train_split: Any,
        validation: Validation,
        checkpoint_dir: Path,
        emit: Callable[[dict[str, Any]], None],
        curves: CurveFile,
        replayed: ReplayedSteps | None = None,
        leaves: Callable[[], bool] = lambda: False,
    ) -> None:
        self.spec, self.plan, self.runner, self.steps = spec, plan, runner, steps
        self.training = spec.training
        self._train_split, self.validation, self._emit = train_split, validation, emit
        self._checkpoint_dir, self._curves, self._replayed, self._leaves = checkpoint_dir, curves, replayed, leaves
        self._checkpoints = CheckpointWriter(checkpoint_dir)
        self._n_warmup = n_warmup_steps(steps.n_steps, self.training.warmup_ratio)
        self._names = {id(p): name for name, p in plan.learning.items()}
        self.optimizer = build_optimizer(plan, self.training)
        self._best = EarlyStopper(spec, plan.stopping)
        self._average = WeightAverage(steps.evaluation_steps, plan.n_averaged)
        self._scaler = torch.amp.GradScaler("cuda", enabled=self.training.precision == "fp16")
        # the scaler waits for the device anyway, and what acts before an update must know whether there is one
        waits = runner.device.type != "cuda" or self._scaler.is_enabled() or bool(plan.before_update)
        self.readings = StepReadings(emit, late=not waits)
        self._cut = math.inf if spec.stop_at is None else cut_step(spec.stop_at, steps.n_steps)
        self.position = Position(digest=spec.digest)
        self.best_weights: dict[str, Tensor] = {}

    def run(self) -> tuple[StopReason, str | None]:
        """Train to the end from the current position; how it ended, and why if it diverged.

        Raises `RunLeft` in the middle where `leaves` says so; the state is saved then.
        """
        try:
            return self._run()
        except NotFinite as bad:
            self._advance(step=bad.step)
            return "diverged", f"the loss became {bad.value} at step {bad.step} of {self.steps.n_steps}"
        finally:
            self._checkpoints.wait()

    def _run(self) -> tuple[StopReason, str | None]:
        evaluation_steps = set(self.steps.evaluation_steps)
        self._saved_at = time.monotonic()
        self._evaluate_untrained()
        while self.position.step < self.steps.n_steps:
            if self.position.step >= self._cut:
                self.save()
                return "pruned", None
            self.timed_step()
            if self.position.step in evaluation_steps:
                self._read()
                ended = self._evaluate()
                if ended is not None:
                    return ended
            leaves = self._leaves()
            if leaves or self._is_time_to_save():
                self.save()
            if leaves:
                raise RunLeft
        return "completed", None

    def _is_time_to_save(self) -> bool:
        every = self.spec.checkpoint_every_steps
        by_steps = every is not None and self.position.step % every == 0
        return by_steps or time.monotonic() - self._saved_at > self.spec.checkpoint_every_seconds

    def timed_step(self) -> None:
        """The next optimizer step. Raises `NotFinite` where its loss, or that of a step before it, is no number."""
        started = time.monotonic()
        try:
            self._step()
        finally:
            self._advance(step=self.position.step + 1, train_seconds=self.position.train_seconds + time.monotonic() - started)

    def _read(self) -> None:
        """Wait for the last step where its readings are late, within the time of training. Raises `NotFinite`."""
        started = time.monotonic()
        try:
            self.readings.read()
        finally:
            self._advance(train_seconds=self.position.train_seconds + time.monotonic() - started)

    def _step(self) -> None:
        """One optimizer step. Its gradient does not depend on the microbatches."""
        step = self.position.step
        factor = learning_rate_factor(step, self.steps.n_steps, self._n_warmup, self.training.schedule)
        learning_rate = self.training.peak_learning_rate * factor
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate * group["scale"]
        draw = masking_draw(self.spec.seeds.dropout, step)
        passes = [(part, self.runner.head_inputs(self._train_split, part, draw)) for part in self.steps.micro_batches(step)]
        n_targets = max(1, sum(inputs.n_targets for _, inputs in passes))
        self.plan.train_mode(step)
        losses: list[Tensor] = []
        for micro, (indices, inputs) in enumerate(passes):
            enter_dropout_stream(self.spec.seeds.dropout, step, micro)
            logits = self.runner.logits(self._train_split, indices, inputs)
            part = self.runner.loss_sum(logits, inputs, self.plan.losses) / n_targets
            self._scaler.scale(part).backward()
            losses.append(part.detach())
        also = {} if self._replayed is None else {"replay_loss": self._replayed.backward(step, self._scaler.scale)}
        self._scaler.unscale_(self.optimizer)
        layers = self._watched_norms()
        computed = torch.stack([*losses, self._clipped_norm()])
        event = {"step": step + 1, "learning_rate": learning_rate} | layers | also
        if self.readings.late:
            self._update(learning_rate)
            self.readings.read()  # the step before, while the device is busy with this one
            self.readings.put(event, computed)
        else:
            self.readings.put(event, computed)
            self._update(learning_rate, self.readings.read())

    def _update(self, learning_rate: float, norm: float = 0.0) -> None:
        """Apply the gradients; their norm is not finite only where the fp16 scaler skips the step."""
        if math.isfinite(norm):
            for act in self.plan.before_update:
                act(lambda name: learning_rate * self.plan.lr_multipliers.get(name, 1.0))
        self._scaler.step(self.optimizer)
        self._scaler.update()
        self.optimizer.zero_grad(set_to_none=True)

    def _watched_norms(self) -> dict[str, Any]:
        """The norms of the layers, in the steps that are watched."""
        watched = self.position.step < self.spec.watch_gradients and self.plan.architecture.is_known
        return {"layers": gradient_norms(self.plan)} if watched else {}

    def _clipped_norm(self) -> Tensor:
        """The norm of all gradients; they are clipped to the limit, now or, where nothing reads them before, in the update."""
        limit = self.training.max_grad_norm if self.training.max_grad_norm is not None else math.inf
        if self.spec.compute.path == "reference" or self.plan.before_update or type(self.optimizer) is not torch.optim.AdamW:
            return torch.nn.utils.clip_grad_norm_(self.plan.learning.values(), limit)
        norm = torch.nn.utils.get_total_norm([p.grad for p in self.plan.learning.values() if p.grad is not None])
        length = float(norm)
        divisor = torch.tensor((length + 1e-6) / limit) if length > limit else None
        self.optimizer.grad_scale = divisor  # type: ignore[attr-defined]
        return norm

    def _evaluate(self) -> tuple[StopReason, str | None] | None:
        started = time.monotonic()
        step = self.position.step
        self._take_average(step)
        validated = self.validation.of(step, self.position.best_step)
        if validated is None:
            return "diverged", f"the logits of the validation set were not finite after step {step}"
        metrics = validated.metrics
        if (absent := self._best.absent_of(metrics)) is not None:
            return "diverged", f"{absent} of the validation set is too large for a number, or not defined, after step {step}"
        evaluation = Evaluation(step=step, epoch=self.steps.epoch(step), metrics=metrics, loss=validated.loss)
        self._advance(
            evaluations=(*self.position.evaluations, evaluation),
            evaluate_seconds=self.position.evaluate_seconds + time.monotonic() - started,
            **self._best.changes(self.position, metrics, step),
        )
        if self.position.best_step == step:
            self.best_weights = weights.copy_of(self.plan.learning)
        self._emit({"kind": "evaluation"} | evaluation.model_dump())
        if step < self.steps.n_steps and self._best.is_hopeless(self.position, metrics[self.spec.metric]):
            return "pruned", None
        if step < self.steps.n_steps and self._best.is_enough(self.position):
            return "stopped_early", None
        return None

    def _evaluate_untrained(self) -> None:
        """Where curves begin. Searches have no use for it, and a run that resumes has it or never had."""
        if self.position.step > 0 or self.position.untrained is not None or self.spec.stage == "search":
            return
        started = time.monotonic()
        validated = self.validation.untrained()
        if validated is None:
            return
        evaluation = Evaluation(step=0, epoch=0.0, metrics=validated.metrics, loss=validated.loss)
        self._advance(untrained=evaluation, evaluate_seconds=self.position.evaluate_seconds + time.monotonic() - started)
        self._emit({"kind": "untrained"} | evaluation.model_dump())

    def _take_average(self, step: int) -> None:
        """Collect the weights of the last evaluations; at the last one the model gets their mean."""
        self._average.add(step, self.plan.learning)
        if self._average.is_complete(step):
            weights.put_back(self.plan.model, self._average.mean)

    def _advance(self, **changes: Any) -> None:
        self.position = self.position.model_copy(update=changes)

    def save(self) -> None:
        """Save the state after the last step; listeners of the `saving` event first write what belongs to it.

        Raises `NotFinite` where the loss of that step is no number.
        """
        self._read()
        self._emit({"kind": "saving", "step": self.position.step})
        tensors = {f"weights/{name}": p.detach() for name, p in self.plan.learning.items()}
        tensors |= {f"best/{name}": values for name, values in self.best_weights.items()}
        tensors |= {f"average/{name}": values for name, values in self._average.mean.items()}
        tensors |= self.validation.confidences.tensors()
        tensors |= optimizer_tensors(self.optimizer, self._names)
        curves_size, curves_sha256 = self._curves.state()
        self._advance(curves_size=curves_size, curves_sha256=curves_sha256)
        self._advance(scaler=self._scaler.state_dict() if self._scaler.is_enabled() else {})
        self._checkpoints.save(self.position, tensors)
        self._saved_at = time.monotonic()

    def resume(self) -> bool:
        """Restore the newest intact state of this run, if there is one; damage is reported as a `problem` event."""

        def tell(problem: str) -> None:
            self._emit({"kind": "problem", "text": problem})

        def fits(position: Position) -> bool:
            return self._curves.begins_with(position.curves_size, position.curves_sha256)

        loaded = load_checkpoint(self._checkpoint_dir, self.spec.digest, tell=tell, fits=fits)
        if loaded is None:
            return False
        self.position, tensors = loaded
        weights.put_back(self.plan.model, _below("weights/", tensors))
        self.best_weights = _below("best/", tensors)
        self._average.mean = _below("average/", tensors)
        self.validation.confidences.restore(tensors)
        restore_optimizer(self.optimizer, tensors, dict(self.plan.model.named_parameters()))
        if self.position.scaler:
            self._scaler.load_state_dict(dict(self.position.scaler))
        return True


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): values for name, values in tensors.items() if name.startswith(prefix)}


def gradient_norms(plan: FinetuningPlan) -> dict[str, float]:
    """Part of the model (embeddings, each layer, head) → L2 norm of its gradient; parts without one are left out."""
    names, depths = plan.architecture.depth_names(), plan.architecture.depths()
    gradients = {name: parameter.grad for name, parameter in plan.learning.items() if parameter.grad is not None}
    sums = [gradient.double().square().sum() for gradient in gradients.values()]
    squares: dict[int, float] = {}
    for name, square in zip(gradients, torch.stack(sums).tolist() if sums else (), strict=True):
        squares[depths[name]] = squares.get(depths[name], 0.0) + square
    return {names[depth]: math.sqrt(squares[depth]) for depth in sorted(squares) if math.isfinite(squares[depth])}
