"""How long a run would take and how much disk it would use, without training: from earlier runs, else by calculation.

A forward pass costs about 2 floating-point operations for each weight and token, a step three times that (Kaplan et al. 2020,
section 2.1); the speed of this machine is measured on one matrix product.
"""

import functools
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bertft_core.data.train_subset import label_quotas
from bertft_core.records import DatasetCard, RunRecord, RunSpec
from bertft_core.records.compute import Kernels
from bertft_core.storage.weight_files import n_weights, weight_files
from bertft_core.training.step_plan import StepPlan

EFFICIENCY: dict[Kernels, float] = {"mkl": 0.6, "onednn": 0.43}
"""Share of the matrix product's rate that a whole step reaches (MiniLM on one core: 63 of 105 GFLOP/s; 97 of 225)."""
BY_HAND = 1.2
"""How many times as fast a step is by hand."""
BYTES_PER_WEIGHT = 4
"""Weights are trained and kept in 32 bits, whatever the encoder's files hold."""
FEW_LEARN = frozenset({"bitfit", "lora"})
"""Strategies by which the weight matrices of the encoder have no gradient, but its states do."""
RUN_OVERHEAD_SECONDS = 2.0
"""Loading, hashing and saving one run."""


@dataclass(frozen=True)
class CostEstimate:
    """What one run would cost."""

    seconds: float
    model_bytes: int
    measured: bool
    """From earlier runs in this home, not by calculation."""


class CostEstimator:
    """Estimates runs over the data of one arm with its encoder; `earlier` are records that may show the speed of this machine.

    Without such records `flops_per_second` says how fast it is; without it too, that is measured.
    """

    def __init__(self, card: DatasetCard, earlier: Iterable[RunRecord], flops_per_second: float | None = None) -> None:
        self._card, self._known_flops_per_second = card, flops_per_second
        weights = card.encoder.weights_sha256
        self._earlier = [r for r in earlier if r.examples_per_second and r.spec.encoder.weights_sha256 == weights]
        size = n_parameters(card)
        settings = json.loads((Path(card.encoder_dir) / "config.json").read_text())
        embedded = settings.get("vocab_size", 0) * settings.get(
            "embedding_size", settings.get("hidden_size", settings.get("dim", 0))
        )
        self._model_bytes = BYTES_PER_WEIGHT * size
        self._n_dense = max(1, size - embedded)

    def of(self, spec: RunSpec) -> CostEstimate:
        """The cost of one run on one slot."""
        plan = planned_steps(spec, self._card)
        share = 1.0 if spec.stop_at is None else spec.stop_at
        n_trained: float = share * min(
            plan.n_steps * spec.training.batch_size, round(plan.epoch(plan.n_steps) * plan.n_per_epoch)
        )
        n_evaluated = self._card.splits["validation"].n_examples + (plan.n_per_epoch if spec.training.evaluate_train else 0)
        n_validated = share * n_evaluated * len(plan.evaluation_steps)
        if spec.stage != "search":  # once more, before the first step
            n_validated += self._card.splits["validation"].n_examples
        n_predicted = 0 if share < 1 else 2 * sum(self._card.splits[name].n_examples for name in spec.evaluated_splits)
        train_rate, measured = self._examples_per_second(spec)
        if not measured and any(strategy.kind == "feature_extraction" for strategy in spec.strategies):
            n_trained = self._card.splits["train"].n_examples / 3  # forward once: the states of a frozen encoder are stored
        elif not measured and any(strategy.kind in FEW_LEARN for strategy in spec.strategies):
            n_trained *= 2 / 3  # a third of a step are the gradients of the weight matrices
        if not measured:
            n_trained *= 1 + sum(strategy.share for strategy in spec.strategies if strategy.kind == "replay")
        seconds = n_trained / train_rate + (n_validated + n_predicted) / (3 * train_rate)
        return CostEstimate(seconds + RUN_OVERHEAD_SECONDS, self._bytes_of(spec), measured)

    def _bytes_of(self, spec: RunSpec) -> int:
        """The model; for a run that stops early its state: weights, best weights, and two moments of each."""
        if spec.stop_at is not None:
            return 4 * self._model_bytes
        return self._model_bytes if spec.keep_model else 0

    def _examples_per_second(self, spec: RunSpec) -> tuple[float, bool]:
        alike = [
            record.examples_per_second
            for record in self._earlier
            if record.spec.strategies == spec.strategies
            and record.spec.threads == spec.threads
            and record.computed_with == spec.compute
            and record.spec.data_fingerprint == spec.data_fingerprint
            and record.examples_per_second
        ]
        if alike:
            return sum(alike) / len(alike), True
        tokens = self._card.splits["train"].mean_length
        return self._flops_per_second(spec) / (6 * self._n_dense * tokens), False

    def _flops_per_second(self, spec: RunSpec) -> float:
        if self._known_flops_per_second is not None:
            return self._known_flops_per_second
        of_path = BY_HAND if spec.compute.path == "fast" else 1.0
        return of_path * EFFICIENCY[spec.compute.kernels] * _matrix_product_rate(spec.threads, spec.compute.kernels)


def n_parameters(card: DatasetCard) -> int:
    """Weights in the encoder's files; a run's own head is not among them."""
    return n_weights(weight_files(Path(card.encoder_dir)))


def planned_steps(spec: RunSpec, card: DatasetCard) -> StepPlan:
    """The steps of a run as far as the card shows them: oversampling is counted only where each example has one label."""
    train, sampling = card.of_run(spec).splits["train"], None
    n_examples = train.n_examples if spec.train_examples is None else spec.train_examples
    for strategy in spec.strategies:
        if strategy.kind == "oversampling" and spec.head.kind == "classification":
            from bertft_core.strategies.oversampling import n_more
            from bertft_core.strategies.plan import Sampling

            counts = label_quotas(list(train.label_counts.values()), n_examples)
            sampling = Sampling(n_pool=int((counts + n_more(counts, strategy.ratio)).sum()))
    return StepPlan(n_examples, spec.training, spec.seeds.order, sampling)


@functools.cache  # measured once in a process
def _matrix_product_rate(threads: int, kernels: Kernels) -> float:
    """Floating-point operations per second of an fp32 matrix product like those in an encoder."""
    import torch

    from bertft_core.training.kernels import is_exact_here, kernels_set

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    left, right = torch.rand(512, 768), torch.rand(768, 3072)
    with kernels_set(kernels if is_exact_here() else "mkl"):
        left @ right
        started = time.perf_counter()
        for _ in range(10):
            left @ right
        seconds = (time.perf_counter() - started) / 10
    torch.set_num_threads(before)
    return 2 * 512 * 768 * 3072 / seconds
