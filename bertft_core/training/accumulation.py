"""How exact gradient accumulation is for one run: the gradient of its first step, in one pass and in several, in float64.

In single precision rounding would hide an error; in float64 the difference is below 1e-12 unless the passes are weighted
wrongly. Dropout is off, since its masks are drawn for each pass.
"""

import math
from pathlib import Path
from typing import Any

from torch import Tensor

from bertft_core.records import RunSpec
from bertft_core.training import determinism
from bertft_core.training.determinism import masking_draw
from bertft_core.training.run import RunParts, device_of, ignore

N_PASSES = 4


def accumulation_error(spec: RunSpec, run_dir: Path) -> dict[str, Any]:
    """The event `accumulation`: `n_examples` and `n_passes` of the step, and its `error`.

    The error is the largest absolute difference of any gradient element, divided by the largest absolute element.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    size = spec.training.micro_batch_size or math.ceil(spec.training.batch_size / N_PASSES)
    parts, whole = (_gradient(spec, run_dir, micro_batch_size) for micro_batch_size in (size, None))
    (gradients, n_passes, n_examples), reference = parts, whole[0]
    largest = max(float(values.abs().max()) for values in reference.values())
    apart = max(float((values - gradients[name]).abs().max()) for name, values in reference.items())
    return {"kind": "accumulation", "error": apart / largest, "n_passes": n_passes, "n_examples": n_examples}


def _gradient(spec: RunSpec, run_dir: Path, micro_batch_size: int | None) -> tuple[dict[str, Tensor], int, int]:
    """Name → gradient of the first step, the number of passes, and of examples."""
    changes = {"micro_batch_size": micro_batch_size, "precision": "fp32"}
    spec = spec.model_copy(update={"training": spec.training.model_copy(update=changes)})
    device = device_of(spec)
    determinism.configure(spec.threads, device, spec.compute)
    run = RunParts(spec, run_dir, device, ignore)
    run.runner.features = {}  # stored in single precision
    run.plan.model.double().eval()
    draw = masking_draw(spec.seeds.dropout, 0)
    passes = [(part, run.runner.head_inputs(run.splits["train"], part, draw)) for part in run.loop.steps.micro_batches(0)]
    n_targets = max(1, sum(inputs.n_targets for _, inputs in passes))
    for indices, inputs in passes:
        logits = run.runner.logits(run.splits["train"], indices, inputs)
        (run.runner.loss_sum(logits, inputs, run.plan.losses) / n_targets).backward()
    gradients = {name: values.grad for name, values in run.plan.learning.items() if values.grad is not None}
    return gradients, len(passes), sum(len(indices) for indices, _ in passes)
