"""Checks bertft on a GPU: python -P -m benchmarks.gpu.check, or, on a bare machine, benchmarks/gpu/check.sh.

The laws first (the tests marked `gpu`), then peak matrix products, then seeds per hour and memory beside a plain Trainer. Each
part starts only where enough of the time is left, and the figures are written after each. Without a GPU, or with `--dry-run`,
everything is gone through on the CPU with a tiny encoder: that shows that the script works, and no figure means anything.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.facts import machine_facts
from benchmarks.gpu import seeds_per_hour
from benchmarks.gpu.laws import run_tests
from benchmarks.gpu.roofline import peaks
from benchmarks.gpu.study import BASE, BATCH_SIZE, TINY, make_study, seeds_of, training_flops
from benchmarks.pages import markdown_table
from bertft_core.config.execution_settings import ExecutionConfig
from bertft_core.data.prepared_split import open_split
from bertft_core.storage.study_dir import write_atomically
from bertft_core.training.devices import slot_environments
from bertft_core.training.slots import Slots

AT_ONCE, TRAINER_AT_ONCE = (1, 2, 4, 8), {"bf16": (1, 4)}
PER_PROCESS = 2
"""Timed seeds of each process."""
SECONDS_OF_TESTS, SECONDS_OF_CONTEST = 180.0, 25.0
"""At most, and what has to be left to start another."""
ALL, FEW = "test", "bits or kill"
SQUARE = 8192


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, default=Path("gpu-check.json"), help="where the figures go (default gpu-check.json)")
    parser.add_argument("--minutes", type=float, default=8.0, help="no part starts that would not end by then (default 8)")
    parser.add_argument("--dry-run", action="store_true", help="a tiny encoder on the CPU, as without a GPU")
    parser.add_argument("--tests", metavar="EXPRESSION", help="which tests, as for pytest -k (default all; in a dry run a few)")
    return parser.parse_args(arguments)


class Check:
    """Figures, the time that is left, and what was left out for lack of it."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._started, self._options = time.monotonic(), options
        self.dry = options.dry_run or not torch.cuda.is_available()
        self.device, self.size = ("cpu", TINY) if self.dry else ("cuda", BASE)
        self.figures: dict[str, Any] = {"dry_run": self.dry, "device": self.device, "errors": {}, "left_out": []}

    @property
    def seconds_left(self) -> float:
        """Of the time for everything."""
        return 60 * self._options.minutes - (time.monotonic() - self._started)

    def part(self, name: str, compute: Callable[[], Any], *, seconds: float, into: str | None = None) -> None:
        """Compute and write one part where `seconds` are left; an error is a figure, and the next part goes on."""
        if self.seconds_left < seconds:
            self.figures["left_out"].append(name)
            return
        try:
            found = compute()
        except Exception as error:
            self.figures["errors"][name] = f"{type(error).__name__}: {error}"
        else:
            if into is None:
                self.figures[name] = found
            else:
                self.figures.setdefault(into, []).append(found)
        self.write()
        print(f"[{self.figures['seconds']:5.0f} s] {name}", file=sys.stderr)

    def write(self) -> None:
        """Write all figures so far."""
        self.figures["seconds"] = 60 * self._options.minutes - self.seconds_left
        write_atomically(self._options.json, json.dumps(self.figures, indent=1) + "\n")


def run_parts(check: Check, directory: Path, tests: str) -> None:
    """All parts, the most important first."""
    check.part("about", lambda: machine_facts(["benchmarks/gpu/check.sh", *sys.argv[1:]], device=check.device), seconds=0)
    limit = min(SECONDS_OF_TESTS, check.seconds_left)
    check.part("tests", partial(run_tests, check.device, directory, limit, tests), seconds=0)
    study, card = make_study(directory, check.size, check.device)
    specs = partial(seeds_of, study, card)
    prepared_dir = specs("bf16")[0].prepared_dir
    split = open_split(prepared_dir, "train")
    n_tokens = round(BATCH_SIZE * split.lengths.mean())
    square = 64 if check.dry else SQUARE
    check.part("peak_tflops", partial(peaks, check.device, check.size, n_tokens, square), seconds=SECONDS_OF_CONTEST)
    execution = ExecutionConfig(device=check.device, slots=2 if check.dry else max(AT_ONCE))
    job = {
        "prepared_dir": prepared_dir,
        "encoder_dir": card.encoder_dir,
        "device": check.device,
        "batch_size": BATCH_SIZE,
        "n_steps": check.size.steps,
        "evaluate_every_steps": study.training.evaluate_every_steps,
        "n_seeds": PER_PROCESS,
    }
    with Slots(slot_environments(execution), directory / "logs") as slots:
        for name, compute in contests(check, slots, specs, job, directory):
            check.part(name, compute, seconds=SECONDS_OF_CONTEST, into="contests")
    check.figures |= conclusions(check.figures, training_flops(split, check.size)) | {"tokens_of_a_step": n_tokens}
    check.write()


def contests(
    check: Check, slots: Slots, specs: Callable[[str], Any], job: dict[str, Any], directory: Path
) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Name → what measures it: bf16 first, and alone before in company."""
    precisions = ("bf16", "fp32") if check.dry else ("bf16", "fp32", "tf32")
    for precision in precisions:
        at_once = TRAINER_AT_ONCE.get(precision, (1,))
        for n in at_once[:1] if check.dry else at_once:
            work = partial(seeds_per_hour.trainer, job, precision, n, directory / f"trainer-{precision}-{n}")
            yield f"trainer {precision} × {n}", lambda work=work: asdict(work())
        if precision == "tf32":  # bertft computes in fp32, or in bf16
            continue
        used = seeds_per_hour.device_used() if precision == precisions[0] else None  # idle workers keep what they took
        for n in AT_ONCE[:2] if check.dry else AT_ONCE:
            target = directory / f"bertft-{precision}-{n}"
            work = partial(seeds_per_hour.bertft, slots, n, specs(precision), target, PER_PROCESS, used)
            yield f"bertft {precision} × {n}", lambda work=work: asdict(work())


def conclusions(figures: dict[str, Any], flops: float) -> dict[str, Any]:
    """Speed against a Trainer alone in the same precision, and what share of the peak each reaches."""
    found = figures.get("contests", [])
    alone = {each["precision"]: each for each in found if (each["who"], each["at_once"]) == ("trainer", 1)}
    for each in found:
        each["tflops"] = flops * each["steps_per_second"] / 1e12
        peak = figures.get("peak_tflops", {}).get(each["precision"])
        each["share_of_peak"] = None if peak is None else each["tflops"] / peak["square"]
        if each["precision"] in alone:
            each["against_trainer_alone"] = each["seeds_per_hour"] / alone[each["precision"]]["seeds_per_hour"]
    return {"tflop_of_a_step": flops / 1e12, "context_bytes": _context_bytes(found)}


def _context_bytes(found: list[dict[str, Any]]) -> int | None:
    """What a process takes of the device beyond what torch reserves."""
    lone = [each for each in found if (each["who"], each["at_once"]) == ("trainer", 1) and each["device_bytes"] is not None]
    return min((each["device_bytes"] - each["peak_reserved_bytes"] for each in lone), default=None)


COLUMNS: dict[str, Callable[[dict[str, Any]], str]] = {
    "who": lambda each: each["who"],
    "precision": lambda each: each["precision"],
    "at once": lambda each: str(each["at_once"]),
    "seeds/h": lambda each: f"{each['seeds_per_hour']:,.0f}",
    "step ms": lambda each: f"{1e3 * each['step_seconds']:.2f}",
    "× Trainer alone": lambda each: _given(each.get("against_trainer_alone"), "{:.2f}"),
    "TFLOP/s": lambda each: f"{each['tflops']:.2f}",
    "of peak": lambda each: _given(each["share_of_peak"], "{:.1%}"),
    "allocated MiB": lambda each: _mebibytes(each["peak_bytes"]),
    "reserved MiB": lambda each: _mebibytes(each["peak_reserved_bytes"]),
    "device MiB": lambda each: _mebibytes(each["device_bytes"]),
}


def table(figures: dict[str, Any]) -> str:
    """The figures to read, a line for each contest; Markdown."""
    rows = [[of(each) for of in COLUMNS.values()] for each in figures.get("contests", [])]
    return "\n".join(markdown_table([list(COLUMNS), *rows]))


def _given(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def _mebibytes(value: int | None) -> str:
    return "–" if value is None else f"{value / 2**20:,.0f}"


def main(arguments: list[str] | None = None) -> int:
    """Check, print and write; 1 where a test or a part failed."""
    options = parse(arguments)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    check = Check(options)
    with tempfile.TemporaryDirectory(prefix="bertft-gpu-", ignore_cleanup_errors=True) as directory:
        run_parts(check, Path(directory), options.tests or (FEW if check.dry else ALL))
    figures = check.figures
    print(table(figures))
    for name in ("tests", "peak_tflops", "errors", "left_out", "context_bytes"):
        print(f"{name}: {figures.get(name)}")
    if check.dry:
        print("dry run on the CPU with a tiny encoder: no figure means anything")
    failed = figures["errors"] or figures["tests"].get("error") or not figures["tests"].get("passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
