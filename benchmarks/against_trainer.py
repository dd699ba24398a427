"""One study by `transformers.Trainer` and by bertft, in turn, and how they compare; see README.md."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # as a script it finds its neighbours like this
from benchmarks.contestants import BERTFT, TRAINER, TRAINERS, Figures, Job, run_bertft, run_trainers
from benchmarks.examples import ExampleFiles, encoder_words, generate, read_examples, write_examples
from benchmarks.facts import gather_facts
from benchmarks.measuring import ProcessFailed
from benchmarks.tables import markdown_page, text_table
from bertft_core.config import UserError
from bertft_core.config.encoder_settings import EncoderConfig
from bertft_core.config.execution_settings import ExecutionConfig
from bertft_core.data.encoder_files import EncoderFiles, resolve_encoder
from bertft_core.data.tokenization import load_tokenizer
from bertft_core.storage.study_dir import write_atomically
from bertft_core.training.devices import slot_environments, usable_cores, visible_gpus
from bertft_core.training.machine_needs import refuse_absent_gpu

DATA_SEED = 0
FULL, QUICK = {"examples": 2000, "validation": 400, "seeds": 5}, {"examples": 48, "validation": 24, "seeds": 2}
SIZES = {"examples": "training examples", "validation": "validation examples", "seeds": "runs of the study"}
ALSO = {"padded": ("Trainer, padded",), "bf16": ("Trainer, bf16", "bertft, bf16"), "onednn": ("Trainer, oneDNN",)}
"""`--also` → names of contestants."""
WARM_UP = "import torch, transformers.trainer, datasets, accelerate, prefect, mlflow, pyarrow"
BUSY = 0.25
"""Load per core from which the figures are not to be trusted."""


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options, with sizes filled in."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, size in FULL.items():
        parser.add_argument(f"--{name}", type=_positive, help=f"{SIZES[name]} (default {size})")
    parser.add_argument("--epochs", type=_positive, default=1, help="passes over the training examples (default 1)")
    parser.add_argument("--rounds", type=_positive, default=1, help="how often both are run, in turn (default 1)")
    parser.add_argument("--also", nargs="*", choices=tuple(ALSO), default=[], help="further contestants: " + ", ".join(ALSO))
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--at-once", type=_positive, help="runs at a time, for both (default one per core, or per GPU)")
    parser.add_argument("--encoder", metavar="DIR", help="a local encoder instead of MiniLM")
    parser.add_argument("--file", type=Path, help="examples of your own: CSV, TSV, JSONL or Parquet")
    parser.add_argument("--text", default="text", help="column of the text in --file (default text)")
    parser.add_argument("--label", default="label", help="column of the label in --file (default label)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure of every round")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the page: docs/benchmarks/against_trainer.md")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that it works, measures nothing")
    options = parser.parse_args(arguments)
    for name, size in (QUICK if options.quick else FULL).items():
        if getattr(options, name) is None:
            setattr(options, name, size)
    return options


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return value


def prepare(options: argparse.Namespace, directory: Path) -> Job:
    """Examples, encoder and slots. Raises `UserError`."""
    refuse_absent_gpu(ExecutionConfig(device=options.device))
    encoder = resolve_encoder(EncoderConfig.model_validate({"path": options.encoder} if options.encoder else {}))
    n_slots = options.at_once or (len(visible_gpus()) or 1 if options.device == "cuda" else usable_cores())
    return Job(
        files=make_examples(options, encoder, directory),
        encoder_dir=encoder.directory,
        default_encoder=options.encoder is None,
        n_seeds=options.seeds,
        epochs=options.epochs,
        device=options.device,
        slots=slot_environments(ExecutionConfig(device=options.device, slots=min(n_slots, options.seeds))),
    )


def make_examples(options: argparse.Namespace, encoder: EncoderFiles, directory: Path) -> ExampleFiles:
    """The files that both read; of a small file a fifth is kept for validation."""
    rng, n_validation = np.random.default_rng(DATA_SEED), options.validation
    if options.file is None:
        words = encoder_words(load_tokenizer(encoder).get_vocab())
        examples, origin = generate(options.examples + n_validation, words, rng), "made up, lengths as in SST-2"
    else:
        examples, origin = read_examples(options.file, options.text, options.label, rng), options.file.name
        n_validation = min(n_validation, len(examples) // 5)
    return write_examples(examples, directory, n_train=options.examples, n_validation=n_validation, origin=origin)


def chosen(options: argparse.Namespace) -> list[str]:
    """Names of the contestants, in the order in which they run."""
    more = [name for also in options.also for name in ALSO[also]]
    return [name for name in (*TRAINERS, *BERTFT) if name in (TRAINER, "bertft", *more)]


def measure(job: Job, directory: Path, n_rounds: int, names: Sequence[str]) -> list[dict[str, Figures]]:
    """All in turn, round by round; a line for each process that ends."""
    started = time.monotonic()

    def say(text: str) -> None:
        minutes, seconds = divmod(round(time.monotonic() - started), 60)
        print(f"[{minutes}:{seconds:02d}] {text}", file=sys.stderr, flush=True)

    say("reading the libraries once, so that nobody starts from cold files")
    subprocess.run([sys.executable, "-c", WARM_UP], check=True, stderr=subprocess.DEVNULL)
    rounds = []
    for number in range(1, n_rounds + 1):
        where = f"round {number}/{n_rounds}"
        on_end = partial(_say_end, say, where)
        figures = {}
        for i, name in enumerate(names):
            say(f"{where}: {name} starts, {job.n_seeds} seeds, {len(job.slots)} at a time")
            folder = directory / f"{number}-{i}"
            ours = name in BERTFT
            figures[name] = (
                run_bertft(job, folder, on_end, BERTFT[name]) if ours else run_trainers(job, folder, on_end, TRAINERS[name])
            )
        steps = {name: each.n_steps for name, each in figures.items()}
        if len(set(steps.values())) > 1:
            raise ProcessFailed(f"not the same work: steps of {steps}")
        rounds.append(figures)
    return rounds


def _say_end(say: Callable[[str], None], where: str, title: str, seconds: float) -> None:
    say(f"{where}: {title} ended after {seconds:.1f} s")


def main(arguments: list[str] | None = None) -> int:
    """Run, print, write; 0, 1 when a process failed, 2 when the user must change something, 130 after Ctrl-C."""
    options = parse(arguments)
    command = ["python", "benchmarks/against_trainer.py", *(sys.argv[1:] if arguments is None else arguments)]
    load = os.getloadavg()[0]
    if load > BUSY * usable_cores():
        print(f"warning: load {load:.2f} before the start; figures of a busy machine are wrong", file=sys.stderr)
    try:
        with tempfile.TemporaryDirectory(prefix="bertft-benchmark-", ignore_cleanup_errors=True) as directory:
            job = prepare(options, Path(directory))
            rounds = measure(job, Path(directory), options.rounds, chosen(options))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except ProcessFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    about = gather_facts(job, load, command)
    print(text_table(rounds))
    print("".join(f"\n{name}: {value}" for name, value in about.items()))
    figures = [{name: asdict(each) for name, each in of_round.items()} for of_round in rounds]
    written = {"about": about, "rounds": figures}
    for path, text in ((options.json, json.dumps(written, indent=1) + "\n"), (options.markdown, markdown_page(rounds, about))):
        if path is not None:
            write_atomically(path, text)
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # no process is left behind after a plain kill either
    sys.exit(main())
