"""One training step by plain transformers and by every way that bertft can compute it, in turns in one process; see README.md."""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

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
from bertft_core.config.training_settings import Precision
from bertft_core.data.encoder_files import resolve_encoder
from bertft_core.data.prepare_study_data import prepare_data
from bertft_core.data.tokenization import load_tokenizer
from bertft_core.planning.run_specs import plan_runs
from bertft_core.records import RunSpec
from bertft_core.records.compute import Compute, Kernels
from bertft_core.storage.study_dir import write_atomically

Step = Callable[[], object]
BUNDLED = {"token_classification": "entities", "question_answering": "questions"}
TASKS = ("classification", *BUNDLED)
N_BLOCKS, N_STEPS = 9, 4
ORIGINAL, FAST = Compute(), Compute(path="fast", masks=2)
PEER = "transformers, dynamic padding"


def prepared_run(directory: Path, task: str) -> RunSpec:
    """A run of MiniLM over bundled data, or over made-up sentences as long as those of SST-2."""
    config: dict[str, Any] = {
        "name": "step",
        "data": {"source": "bundled", "name": BUNDLED.get(task)},
        "head": task,
        "encoder": {},
        "training": TRAINING | {"epochs": 1},
        "arms": {"full": {}},
        "seeds": {"n": 1},
        "headline": {"split": "validation", "checkpoint": "final"},
        "execution": {"device": "cpu"},
    }
    if task not in BUNDLED:
        words = encoder_words(load_tokenizer(resolve_encoder(EncoderConfig())).get_vocab())
        examples = generate(1200, words, np.random.default_rng(0))
        files = write_examples(examples, directory, n_train=1000, n_validation=200, origin="made up, lengths as in SST-2")
        paths = {"train": str(files.train_path), "validation": str(files.validation_path)}
        config["data"] = {"source": "files", "max_length": MAX_LENGTH} | paths
    path = directory / "study.yaml"
    path.write_text(yaml.safe_dump(config))
    study = load_study(path)
    return plan_runs(study, prepare_data(study, home_dir=directory / "home"), {}, 1)[0]


def bertft_step(spec: RunSpec, directory: Path, compute: Compute, precision: Precision) -> Step:
    """The product's own step."""
    from bertft_core.training.run import RunParts

    training = spec.training.model_copy(update={"precision": precision})
    own = spec.model_copy(update={"training": training, "compute": compute})
    return RunParts(own, _folder(directory), _cpu(), lambda event: None).loop.timed_step


def plain_step(spec: RunSpec, precision: Precision, *, padded_to: int | None = None) -> Step:
    """What Trainer does between two batches: padding, forward, backward, clipping, fused AdamW; nothing logged."""
    import torch

    from bertft_core.data.batching import padded
    from bertft_core.data.prepared_split import open_split
    from bertft_core.heads import HEADS
    from bertft_core.training.model_runner import ModelRunner
    from bertft_core.training.step_plan import StepPlan

    head = HEADS[spec.head.kind]
    model: Any = head.build(spec.encoder_dir, spec.labels, None, spec.head).train()
    runner = ModelRunner(model, spec.head, _cpu())  # for its loss; the model has its own attention
    runner.use_packed_attention(False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01, fused=True)
    split = open_split(spec.prepared_dir, "train")
    steps, numbers = StepPlan(split.n, spec.training, spec.seeds.order), itertools.count()

    def step() -> None:
        (indices,) = steps.micro_batches(next(numbers) % steps.n_steps)
        inputs = runner.head_inputs(split, indices)
        batch = padded(inputs.input_ids, inputs.token_type_ids, inputs.window_lengths, 0)
        if padded_to is not None:
            batch = {name: torch.nn.functional.pad(v, (0, padded_to - v.shape[1])) for name, v in batch.items()}
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            logits = head.own_logits(model(**batch))
        if inputs.positions is not None:
            logits = logits[batch["attention_mask"].bool()][torch.from_numpy(inputs.positions)]
        (runner.loss_sum(logits, inputs) / inputs.n_targets).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        model.zero_grad()

    return step


def contestants(spec: RunSpec, directory: Path) -> dict[str, tuple[Step, Kernels]]:
    """Name → a step, and the kernels that it is computed with."""
    from bertft_core.training.kernels import is_exact_here

    made: dict[str, tuple[Step, Kernels]] = {
        PEER: (plain_step(spec, "fp32"), "mkl"),
        "transformers, dynamic padding, bf16": (plain_step(spec, "bf16"), "mkl"),
    }
    if spec.head.kind not in BUNDLED:
        made["transformers, padded to 128"] = (plain_step(spec, "fp32", padded_to=MAX_LENGTH), "mkl")
    for name, compute in {"original": ORIGINAL, "fast": FAST}.items():
        made[f"bertft, {name}"] = (bertft_step(spec, directory, compute, "fp32"), "mkl")
        made[f"bertft, {name}, bf16"] = (bertft_step(spec, directory, compute, "bf16"), "mkl")
    if is_exact_here():
        made["transformers, dynamic padding, oneDNN"] = (made[PEER][0], "onednn")
        made["bertft, original, oneDNN"] = (made["bertft, original"][0], "onednn")
        made["bertft, fast, oneDNN"] = (made["bertft, fast"][0], "onednn")
    return made


def measure(made: dict[str, tuple[Step, Kernels]], n_blocks: int) -> dict[str, float]:
    """Name → median of CPU seconds of one step; blocks of steps in turns, the first of which is not counted."""
    from bertft_core.training.kernels import set_kernels

    seconds: dict[str, list[float]] = {name: [] for name in made}
    for block in range(n_blocks + 1):
        for name, (step, kernels) in made.items():
            set_kernels(kernels)
            started = time.thread_time()
            for _ in range(N_STEPS):
                step()
            if block:
                seconds[name].append((time.thread_time() - started) / N_STEPS)
    return {name: float(np.median(values)) for name, values in seconds.items()}


class Work(NamedTuple):
    """What a step computes, and how fast this machine could compute it."""

    examples: int
    gflop: float
    """Of the matrix products of a mean step, of real tokens only."""
    peaks: dict[Precision, float]
    """GFLOP/s of the largest product of a step, with the faster kernels."""


def work_of(spec: RunSpec) -> Work:
    """Measured alone, in the process of the steps."""
    from benchmarks.gpu.roofline import tflops
    from benchmarks.gpu.study import Size, training_flops
    from bertft_core.data.prepared_split import open_split
    from bertft_core.training.kernels import is_exact_here, kernels_set

    settings = json.loads((Path(spec.encoder_dir) / "config.json").read_text(encoding="utf-8"))
    sizes = (settings[name] for name in ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"))
    size, split = Size(*sizes, settings["vocab_size"], steps=0), open_split(spec.prepared_dir, "train")
    shape = (round(spec.training.batch_size * float(split.lengths.mean())), size.hidden, size.intermediate)

    def fastest(precision: Precision) -> float:
        found = []
        for kernels in ("mkl", *(["onednn"] if is_exact_here() else [])):
            with kernels_set(kernels):
                found.append(1e3 * tflops("cpu", precision, shape))
        return max(found)

    flops = training_flops(split, size, spec.training.batch_size)
    return Work(spec.training.batch_size, flops / 1e9, {"fp32": fastest("fp32"), "bf16": fastest("bf16")})


def table(seconds: dict[str, float], work: Work) -> list[tuple[str, ...]]:
    """Header and rows: name, milliseconds, examples per second, times as fast as the peer, and of its peak."""
    rows = [("step", "ms", "examples/s", "× dynamic padding", "share of peak", "× at the peak")]
    for name, value in sorted(seconds.items(), key=lambda each: -each[1]):
        at_peak = work.gflop / work.peaks["bf16" if "bf16" in name else "fp32"]
        gained = (f"{seconds[PEER] / each:.2f}" for each in (value, at_peak))
        rows.append(
            (name, f"{1000 * value:.0f}", f"{work.examples / value:.1f}", next(gained), f"{at_peak / value:.0%}", next(gained))
        )
    return rows


def page(tables: dict[str, list[tuple[str, ...]]], about: dict[str, str]) -> str:
    """The page, with a table for each task."""
    lines = [
        "# One training step",
        "",
        "A step of MiniLM in CPU seconds, one thread, batch 16: medians of blocks of steps that take turns in",
        "one process. transformers is what Trainer does between two batches, without its bookkeeping;",
        "`original` and `fast` are `execution.compute`. *Share of peak*: the matrix products of a mean step,",
        "without padding, at the speed of its largest one measured alone in the same process, would take",
        "this share of the time; *× at the peak* is what could be gained if nothing else took time. Made by",
        "`benchmarks/step_time.py`.",
        "",
    ]
    for task, rows in tables.items():
        lines += [f"## {task}", "", *markdown_table(rows), ""]
    return "\n".join([*lines, *bullets(about), ""])


def _table_of(task: str, options: argparse.Namespace) -> list[tuple[str, ...]]:
    with tempfile.TemporaryDirectory(prefix="bertft-step-") as folder:
        spec = prepared_run(Path(folder), task)
        made = contestants(spec, Path(folder))
        chosen = {n: each for n, each in made.items() if n == PEER or not options.only or any(o in n for o in options.only)}
        return table(measure(chosen, options.blocks), work_of(spec))


def _folder(directory: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=directory))


def _cpu() -> Any:
    import torch

    return torch.device("cpu")


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", nargs="*", choices=TASKS, default=TASKS[:1], help="what is learned (default classification)")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="parts of names; the peer is always measured")
    parser.add_argument("--blocks", type=int, default=N_BLOCKS, help=f"blocks of {N_STEPS} steps (default {N_BLOCKS})")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the page: docs/benchmarks/step_time.md")
    options = parser.parse_args(arguments)
    import torch

    from bertft_core.training.run import warm_up

    warm_up()
    torch.set_num_threads(1)
    tables = {task: _table_of(task, options) for task in options.tasks}
    for task, rows in tables.items():
        print(task)
        print("\n".join("  ".join([row[0].ljust(40), *(cell.rjust(18) for cell in row[1:])]) for row in rows))
    if options.markdown is not None:
        command = ["python", "benchmarks/step_time.py", *(sys.argv[1:] if arguments is None else arguments)]
        write_atomically(options.markdown, page(tables, machine_facts(command)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
