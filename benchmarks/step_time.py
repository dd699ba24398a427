"""One training step by plain transformers and by every way that bertft can compute it, in turns in one process; see README.md."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # as a script it finds its neighbours like this
from benchmarks.contestants import MAX_LENGTH, TRAINING
from benchmarks.examples import encoder_words, generate, write_examples
from benchmarks.facts import machine_facts
from benchmarks.pages import bullets, markdown_table
from bertft_core.config import load_study
from bertft_core.config.encoder_settings import EncoderConfig
from bertft_core.data.encoder_files import resolve_encoder
from bertft_core.data.prepare_study_data import prepare_data
from bertft_core.data.tokenization import load_tokenizer
from bertft_core.planning.run_specs import plan_runs
from bertft_core.records import RunSpec
from bertft_core.records.compute import Compute
from bertft_core.storage.study_dir import write_atomically

Step = Callable[[], object]
N_BLOCKS, N_STEPS = 9, 4
ORIGINAL, FAST = Compute(), Compute(path="fast", masks=2)
PEER = "transformers, dynamic padding"


def prepared_run(directory: Path) -> RunSpec:
    """A run of MiniLM over made-up sentences as long as those of SST-2."""
    encoder = resolve_encoder(EncoderConfig())
    words = encoder_words(load_tokenizer(encoder).get_vocab())
    examples = generate(1200, words, np.random.default_rng(0))
    files = write_examples(examples, directory, n_train=1000, n_validation=200, origin="made up, lengths as in SST-2")
    config = {
        "name": "step",
        "data": {
            "source": "files",
            "train": str(files.train_path),
            "validation": str(files.validation_path),
            "max_length": MAX_LENGTH,
        },
        "encoder": {},
        "training": TRAINING | {"epochs": 1},
        "arms": {"full": {}},
        "seeds": {"n": 1},
        "headline": {"split": "validation", "checkpoint": "final"},
        "execution": {"device": "cpu"},
    }
    path = directory / "study.yaml"
    path.write_text(yaml.safe_dump(config))
    study = load_study(path)
    return plan_runs(study, prepare_data(study, home_dir=directory / "home"), {}, 1)[0]


def bertft_step(spec: RunSpec, directory: Path, compute: Compute, precision: str) -> Step:
    """The product's own step."""
    from bertft_core.training.run import RunParts

    training = spec.training.model_copy(update={"precision": precision})
    own = spec.model_copy(update={"training": training, "compute": compute})
    return RunParts(own, _folder(directory), _cpu(), lambda event: None).loop._timed_step


def plain_step(spec: RunSpec, precision: str, *, to_longest: bool) -> Step:
    """What Trainer does between two batches: padding, forward, backward, clipping, fused AdamW; nothing logged."""
    import torch
    from transformers import AutoModelForSequenceClassification

    from bertft_core.data.batching import padded
    from bertft_core.data.prepared_split import open_split
    from bertft_core.heads import HEADS
    from bertft_core.training.step_plan import StepPlan

    model: Any = AutoModelForSequenceClassification.from_pretrained(spec.encoder_dir, num_labels=2).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01, fused=True)
    split = open_split(spec.prepared_dir, "train")
    steps, state = StepPlan(split.n, spec.training, spec.seeds.order), {"step": 0}

    def step() -> None:
        (indices,) = steps.micro_batches(state["step"] % steps.n_steps)
        state["step"] += 1
        inputs = HEADS["classification"].head_inputs(split, indices, spec.head, None)
        batch = padded(inputs.input_ids, inputs.token_type_ids, inputs.window_lengths, 0)
        if to_longest:
            batch = {k: torch.nn.functional.pad(v, (0, MAX_LENGTH - v.shape[1])) for k, v in batch.items()}
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            loss = model(**batch, labels=torch.from_numpy(np.asarray(inputs.targets))).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        model.zero_grad()

    return step


def contestants(spec: RunSpec, directory: Path) -> dict[str, tuple[Step, str]]:
    """Name → a step, and the kernels that it is computed with."""
    from bertft_core.training.kernels import is_exact_here

    made: dict[str, tuple[Step, str]] = {
        PEER: (plain_step(spec, "fp32", to_longest=False), "mkl"),
        "transformers, padded to 128": (plain_step(spec, "fp32", to_longest=True), "mkl"),
        "transformers, dynamic padding, bf16": (plain_step(spec, "bf16", to_longest=False), "mkl"),
    }
    for name, compute in {"original": ORIGINAL, "fast": FAST}.items():
        made[f"bertft, {name}"] = (bertft_step(spec, directory, compute, "fp32"), "mkl")
        made[f"bertft, {name}, bf16"] = (bertft_step(spec, directory, compute, "bf16"), "mkl")
    if is_exact_here():
        made["transformers, dynamic padding, oneDNN"] = (made[PEER][0], "onednn")
        made["bertft, original, oneDNN"] = (made["bertft, original"][0], "onednn")
        made["bertft, fast, oneDNN"] = (made["bertft, fast"][0], "onednn")
    return made


def measure(made: dict[str, tuple[Step, str]], n_blocks: int) -> dict[str, float]:
    """Name → median of CPU seconds of one step; blocks of steps in turns, the first of which is not counted."""
    from bertft_core.training.kernels import set_kernels

    seconds: dict[str, list[float]] = {name: [] for name in made}
    for block in range(n_blocks + 1):
        for name, (step, kernels) in made.items():
            set_kernels(kernels)  # type: ignore[arg-type]
            started = time.thread_time()
            for _ in range(N_STEPS):
                step()
            if block:
                seconds[name].append((time.thread_time() - started) / N_STEPS)
    return {name: float(np.median(values)) for name, values in seconds.items()}


def table(seconds: dict[str, float], batch_size: int) -> list[tuple[str, ...]]:
    """Header and rows: name, milliseconds, examples per second, and how many times as fast as the peer."""
    rows = [("step", "ms", "examples/s", "× dynamic padding")]
    for name, value in sorted(seconds.items(), key=lambda each: -each[1]):
        rows.append((name, f"{1000 * value:.0f}", f"{batch_size / value:.1f}", f"{seconds[PEER] / value:.2f}"))
    return rows


def _folder(directory: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=directory))


def _cpu() -> Any:
    import torch

    return torch.device("cpu")


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=[], help="parts of names; the peer is always measured")
    parser.add_argument("--blocks", type=int, default=N_BLOCKS, help=f"blocks of {N_STEPS} steps (default {N_BLOCKS})")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the page: docs/benchmarks/step_time.md")
    options = parser.parse_args(arguments)
    import torch

    from bertft_core.training.run import warm_up

    warm_up()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="bertft-step-") as folder:
        spec = prepared_run(Path(folder))
        made = contestants(spec, Path(folder))
        chosen = {n: each for n, each in made.items() if n == PEER or not options.only or any(o in n for o in options.only)}
        rows = table(measure(chosen, options.blocks), spec.training.batch_size)
    print("\n".join("  ".join([row[0].ljust(40), *(cell.rjust(18) for cell in row[1:])]) for row in rows))
    if options.markdown is not None:
        command = ["python", "benchmarks/step_time.py", *(sys.argv[1:] if arguments is None else arguments)]
        text = ["# One training step", "", *markdown_table(rows), "", *bullets(machine_facts(command)), ""]
        write_atomically(options.markdown, "\n".join(text))
    return 0


if __name__ == "__main__":
    sys.exit(main())
