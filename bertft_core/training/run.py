"""One run from its spec to its record: the only entry into training."""

import contextlib
import gc
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from bertft_core.config import UserError
from bertft_core.config.execution_settings import ExecutionConfig
from bertft_core.data.prepared_split import PreparedSplit, open_split
from bertft_core.data.train_subset import subset_rows
from bertft_core.heads import HEADS
from bertft_core.records import Environment, RunRecord, RunSpec
from bertft_core.records.compute import FIRST
from bertft_core.records.selection import may_go_on
from bertft_core.storage.study_dir import write_record
from bertft_core.storage.weight_files import read_headers, weight_files
from bertft_core.strategies import STRATEGIES
from bertft_core.strategies.plan import FinetuningPlan, TrainContext
from bertft_core.training import determinism, weights
from bertft_core.training.allocator import give_back
from bertft_core.training.curve_file import CurveFile, OnEvent, ignore
from bertft_core.training.environment import read_environment
from bertft_core.training.evaluations import Validation
from bertft_core.training.frozen_features import all_features, feature_dir
from bertft_core.training.machine_needs import refuse_absent_gpu
from bertft_core.training.model_runner import ModelRunner
from bertft_core.training.optimizer import decayed_names
from bertft_core.training.replayed_steps import ReplayedSteps
from bertft_core.training.run_outcome import RunOutcome
from bertft_core.training.step_plan import StepPlan
from bertft_core.training.training_loop import Loop
from bertft_core.training.used_rows import used_rows_of


def warm_up() -> None:
    """Import what every run needs, quietly."""
    import transformers
    import transformers.models.bert.modeling_bert

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


def train_run(
    spec: RunSpec, *, run_dir: Path, on_event: OnEvent = ignore, leaves: Callable[[], bool] = lambda: False
) -> RunRecord:
    """Train, validate and predict as the spec says; write curves, predictions, model and, last, `record.json` to `run_dir`.

    Continues from the newest intact checkpoint of the run if there is one, with the same result bit by bit. Events: `started`,
    `untrained`, `step`, `evaluation`, `saving`, `predicting`, `ended`, and `problem` (`text`) for a damaged file that is made
    again. Raises `UserError` for what this machine cannot do, and `RunLeft` soon after `leaves` says so.
    """
    started_at = _now()
    run_dir.mkdir(parents=True, exist_ok=True)
    device = device_of(spec)
    determinism.configure(spec.threads, device, spec.compute)
    forget_earlier_runs(device)
    run = RunParts(spec, run_dir, device, on_event, leaves)
    ending, error = run.train()
    run.curves.flush()
    outcome = RunOutcome(spec, run_dir, run.splits, run.runner, run.plan, run.loop, run.rows, ending, error)
    if outcome.is_scored:
        on_event({"kind": "predicting"})
    record = outcome.record(
        started_at=started_at,
        initial_head_sha256=run.initial_head_sha256,
        environment=_environment(spec, device),
        peak_memory_bytes=_peak_memory(device),
        peak_reserved_bytes=int(torch.cuda.max_memory_reserved(device)) if device.type == "cuda" else None,
        ended_at=_now,
    )
    write_record(run_dir / "record.json", record)
    if not may_go_on(record):
        shutil.rmtree(run_dir / "checkpoint", ignore_errors=True)
    on_event({"kind": "ended", "status": record.status})
    return record


class RunParts:
    """The parts of a run, created in the order that its streams require; no step is done yet."""

    def __init__(
        self,
        spec: RunSpec,
        run_dir: Path,
        device: torch.device,
        on_event: OnEvent,
        leaves: Callable[[], bool] = lambda: False,
    ) -> None:
        self.spec, self._on_event = spec, on_event
        self.splits = {"train": train_split(spec)} | {name: open_split(spec.prepared_dir, name) for name in spec.evaluated_splits}
        self.curves = CurveFile(run_dir / "curves.jsonl")
        head = HEADS[spec.head.kind]
        with determinism.init_stream(spec.seeds.init):
            model: Any = head.build(spec.encoder_dir, spec.labels, spec.training.dropout, spec.head)
        self.initial_head_sha256 = weights.weights_sha256(weights.head_parameters(model))
        if head.take_from_train is not None:
            head.take_from_train(model, self.splits["train"], spec.head)
        model.to(device)
        self.rows = used_rows_of(spec, model, self.splits.values())
        self.plan = FinetuningPlan(model, self._train_context(model))
        for strategy in spec.strategies:
            STRATEGIES[strategy.kind].apply(self.plan, strategy)
        self.runner = ModelRunner(model, spec.head, device, spec.training.precision, spec.compute)
        self._use_frozen_features()
        rehearsal = self.plan.rehearsal
        self.loop = Loop(
            spec,
            self.plan,
            self.runner,
            StepPlan(self.splits["train"].n, spec.training, spec.seeds.order, self.plan.sampling),
            train_split=self.splits["train"],
            validation=Validation(spec, self.runner, self.splits["validation"], self.splits["train"]),
            checkpoint_dir=run_dir / "checkpoint",
            emit=self._emit,
            curves=self.curves,
            replayed=None if rehearsal is None else ReplayedSteps(spec, rehearsal, self.splits["train"], self.runner),
            leaves=leaves,
        )

    def _train_context(self, model: Any) -> TrainContext:
        """What strategies may know; the steps per epoch are those before any strategy changes them."""
        spec, train, head = self.spec, self.splits["train"], HEADS[self.spec.head.kind]
        return TrainContext(
            init_seed=spec.seeds.init,
            steps_per_epoch=StepPlan(train.n, spec.training, spec.seeds.order).steps_per_epoch,
            weight_decayed=frozenset(decayed_names(model)),
            fresh_head=spec.head.init == "seed",
            fresh_pooler=not any("pooler" in name.split(".") for name in read_headers(weight_files(Path(spec.encoder_dir)))),
            labels=spec.labels,
            **head.classes(train, len(spec.labels))._asdict(),
        )

    def _use_frozen_features(self) -> None:
        if self.plan.encoder_is_constant and self.runner.separable(self.splits["train"]):
            directory = feature_dir(self.spec, self.runner.device)
            self.runner.features = all_features(self.runner, self.splits, directory, self._tell)

    def _tell(self, problem: str) -> None:
        self._on_event({"kind": "problem", "text": problem})

    def train(self) -> tuple[Any, str | None]:
        """Resume or start, and run the loop."""
        resumed = self.loop.resume()
        after_step = self.loop.position.step
        self.curves.start(after_step)
        self._on_event(
            {"kind": "started", "planned_steps": self.loop.steps.n_steps, "resumed_from_step": after_step if resumed else None}
        )
        return self.loop.run()

    def _emit(self, event: dict[str, Any]) -> None:
        self.curves.add(event)
        if event["kind"] == "saving":
            self.curves.flush()
        self._on_event(event)


def train_split(spec: RunSpec) -> PreparedSplit:
    """The examples that a run trains on: the training set, or the subset of it that its spec asks for."""
    whole, seed = open_split(spec.prepared_dir, "train"), spec.seeds.examples
    if spec.train_examples is None or seed is None:
        return whole
    classes = whole.labels if spec.head.kind == "classification" else None
    return whole.subset(subset_rows(whole.n, classes, spec.train_examples, seed))


def device_of(spec: RunSpec) -> torch.device:
    """The device of the run. Raises `UserError` when it cannot be used."""
    if spec.compute.device == "cuda":
        refuse_absent_gpu(ExecutionConfig(device="cuda"))
    device = torch.device(spec.compute.device)
    if spec.training.precision == "fp16" and device.type == "cpu":
        raise UserError(
            "fp16 needs a GPU",
            code="machine.fp16-needs-gpu",
            found="precision: fp16 on a CPU",
            expected="fp32 or bf16 on a CPU",
            hint=f"set another precision for the arm '{spec.arm}', or use a machine with a GPU",
        )
    return device


def forget_earlier_runs(device: torch.device) -> None:
    """Free what earlier runs of a warm worker left, and reset the peak memory, which Linux allows."""
    gc.collect()  # the parts of a run refer to each other
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        return
    give_back()
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _environment(spec: RunSpec, device: torch.device) -> Environment:
    here = read_environment(torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu", spec.threads)
    return here if spec.compute.masks == FIRST.masks else here.model_copy(update={"compute": spec.compute.path})


def _peak_memory(device: torch.device) -> int | None:
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), None)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
