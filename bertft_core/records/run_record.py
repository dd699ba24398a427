"""What came out of one run; a failure is a status, never an absence."""

from typing import Literal

from pydantic import Field

from bertft_core.config.base import Frozen, left_out_if
from bertft_core.config.encoder_families import BatchLayout
from bertft_core.records.compute import Compute, ComputePath
from bertft_core.records.run_spec import RunSpec

RECORD_VERSION = 2

RunStatus = Literal["ok", "collapsed", "diverged", "failed", "pruned"]


class Evaluation(Frozen):
    """Validation in the middle of training."""

    step: int
    """Optimizer steps done."""
    epoch: float
    metrics: dict[str, float]
    loss: float | None = None
    """The head's loss for each validation target, shaped by no strategy: nats; of regression in variances of the training set."""


class Environment(Frozen):
    """Where a run was carried out."""

    python: str
    platform: str
    device: str
    """Name of the CPU or GPU."""
    threads: int
    packages: dict[str, str]
    """Versions of what decides numbers: torch, transformers, numpy, …"""
    commit: str | None = None
    dirty: bool | None = None
    host: str
    lock_sha256: str | None = None
    """Of `requirements.lock`, where the code is a checkout."""
    cpu_capability: str | None = None
    """Widest vector instructions that torch uses, such as AVX512: they decide the order of sums."""
    kernels: str | None = Field(None, exclude_if=left_out_if(None))
    """What computed fp32 matrix products on a CPU; None on a GPU, and in older records."""
    compute: ComputePath | None = Field(None, exclude_if=left_out_if(None))
    """How layers that can be computed by hand were computed; None in older records and where it is as it was for them."""
    gpu_driver: str | None = None
    flags: dict[str, bool] = {}
    """Determinism settings of torch."""
    variables: dict[str, str] = {}
    """Environment variables that can change numbers, of a fixed list of names; never any other."""


class RunRecord(Frozen):
    """The result of a run, written once and atomically when it ended."""

    version: int = RECORD_VERSION
    spec: RunSpec
    digest: str
    status: RunStatus
    error: str | None = None
    """Why it failed or diverged, in one line; the whole text is in `log.txt`."""
    started_at: str
    """ISO 8601, UTC."""
    ended_at: str
    train_seconds: float = 0.0
    evaluate_seconds: float = 0.0
    n_steps: int = 0
    """Optimizer steps done."""
    planned_steps: int = 0
    n_train_examples: int = 0
    examples_per_second: float | None = None
    peak_memory_bytes: int | None = None
    """Resident memory of the process on a CPU, what torch allocated on a GPU."""
    peak_reserved_bytes: int | None = Field(None, exclude_if=left_out_if(None))
    """What torch took of a GPU's memory to allocate from; the CUDA context of the process comes on top."""
    n_parameters: int = 0
    n_trainable_parameters: int = 0
    batches: BatchLayout | None = Field(None, exclude_if=left_out_if(None))
    """How texts of different lengths shared a batch; absent in older records."""
    evaluations: tuple[Evaluation, ...] = ()
    untrained: Evaluation | None = Field(None, exclude_if=left_out_if(None))
    """Validation at step 0, with the head as it was drawn: where curves begin, and no choice is made by it. Absent for runs of a
    search, and in older records."""
    best_step: int | None = None
    best_score: float | None = None
    """Best validation value of `spec.metric`."""
    majority_score: float | None = None
    """Validation value of `spec.metric` when always answering the most frequent training label."""
    final: dict[str, dict[str, float]] = {}
    """Split → metric → value, weights of the last step."""
    best: dict[str, dict[str, float]] = {}
    """The same with the weights of `best_step`."""
    predictions: dict[str, dict[str, str]] = {}
    """Checkpoint (final, best) → split → Parquet file, relative to the run's folder."""
    model_dir: str | None = None
    """Folder of the saved model (weights of `best_step`), relative to the run's folder; absent when not kept."""
    model_dropped: str | None = None
    """Why the saved model was deleted while the study ran: 'budget'."""
    weights_sha256: str | None = None
    """Of the final weights, name by name."""
    initial_head_sha256: str | None = None
    batch_order_sha256: tuple[str, ...] = ()
    """Of the examples of each epoch that was begun, in their order."""
    files: dict[str, str] = {}
    """File of the run's folder → its SHA-256: predictions, curves, and all of the saved model; of older records, its weights."""
    environment: Environment | None = None
    attempts: int = 1

    @property
    def computed_with(self) -> Compute:
        """Kind of device and kernels; older specs do not know the device, which shows in settings that only a GPU gets."""
        where = self.environment
        on_gpu = where is not None and (where.gpu_driver is not None or where.flags.get("deterministic_algorithms", False))
        return Compute(device="cuda") if on_gpu else self.spec.compute

    @property
    def finished(self) -> bool:
        """Ended by itself with a result that need not be computed again."""
        return self.status in ("ok", "collapsed", "diverged")
