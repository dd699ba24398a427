"""One run by a worker under different allocators, in turns: user and system time, page faults and memory; see README.md."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # as a script it finds its neighbours like this
from benchmarks.facts import machine_facts
from benchmarks.pages import bullets, markdown_table
from benchmarks.step_time import prepared_run
from bertft_core.records import RunSpec
from bertft_core.storage.study_dir import checked_record, write_atomically, write_record
from bertft_core.training.allocator import SETTINGS, allocator_environment, glibc_tunables

PEER = "glibc as it comes"
TRAINED = "--trained"


class Used(NamedTuple):
    """What one process used from the beginning of its run on; imports are before it."""

    user: float
    system: float
    faults: float
    mebibytes: float


def environments() -> dict[str, dict[str, str]]:
    """Name → what is added to the environment. Raises `SystemExit` where there is no jemalloc."""
    ours = allocator_environment()
    if "LD_PRELOAD" not in ours:
        raise SystemExit("jemalloc is needed (Debian: apt-get install libjemalloc2), and no LD_PRELOAD or GLIBC_TUNABLES")
    library = {"LD_PRELOAD": ours["LD_PRELOAD"]}
    return {PEER: {}, "glibc, set up": glibc_tunables(), "jemalloc as it comes": library, "jemalloc, set up": ours}


def train(spec_path: Path) -> Used:
    """Train the run in this process."""
    import resource

    from bertft_core.training.lean_imports import import_lean

    import_lean()
    from bertft_core.training.run import train_run

    before = resource.getrusage(resource.RUSAGE_SELF)
    with tempfile.TemporaryDirectory(prefix="bertft-allocators-") as folder:
        train_run(checked_record(spec_path, RunSpec), run_dir=Path(folder))
    after = resource.getrusage(resource.RUSAGE_SELF)
    faults = after.ru_minflt - before.ru_minflt
    return Used(after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime, faults, after.ru_maxrss / 1024)


def measure(spec_path: Path, n_rounds: int) -> dict[str, Used]:
    """Name → medians over rounds in which each has its turn."""
    found: dict[str, list[Used]] = {}
    command = [sys.executable, "-m", "benchmarks.allocators", TRAINED, str(spec_path)]
    for _ in range(n_rounds):
        for name, environment in environments().items():
            threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
            root = Path(__file__).resolve().parents[1]
            done = subprocess.run(
                command, env=os.environ | threads | environment, capture_output=True, text=True, check=True, cwd=root
            )
            found.setdefault(name, []).append(Used(*map(float, done.stdout.split())))
    return {name: Used(*np.median(used, axis=0).tolist()) for name, used in found.items()}


def table(found: dict[str, Used]) -> list[tuple[str, ...]]:
    """Header and rows."""
    rows = [("allocator", "user s", "system s", "page faults", "peak MiB", "CPU ÷ the first")]
    first = found[PEER].user + found[PEER].system
    for name, used in found.items():
        ratio = (used.user + used.system) / first
        numbers = (f"{used.user:.1f}", f"{used.system:.2f}", f"{used.faults:,.0f}", f"{used.mebibytes:.0f}", f"{ratio:.2f}")
        rows.append((name, *numbers))
    return rows


def page(rows: list[tuple[str, ...]], n_rounds: int, about: dict[str, str]) -> str:
    """The page."""
    lines = [
        "# The allocator of a worker",
        "",
        "One run of MiniLM over 1,000 made-up sentences (one epoch, batch 16, one thread, validated and",
        f"saved at its end), each in a process of its own, in turns; medians of {n_rounds} rounds, imports left out.",
        "jemalloc is taken where a distribution has put it. As it comes it gives pages back several times a",
        "step; set up it does so only between runs. Made by `benchmarks/allocators.py`. Its settings:",
        "",
        f"`{SETTINGS}`",
        "",
    ]
    return "\n".join([*lines, *markdown_table(rows), "", *bullets(about), ""])


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="processes of each allocator (default 3)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the page: docs/benchmarks/allocators.md")
    parser.add_argument(TRAINED, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.trained is not None:
        print(*train(options.trained))
        return 0
    with tempfile.TemporaryDirectory(prefix="bertft-allocators-") as folder:
        write_record(spec_path := Path(folder) / "spec.json", prepared_run(Path(folder), "classification"))
        rows = table(measure(spec_path, options.rounds))
    print("\n".join("  ".join([row[0].ljust(24), *(cell.rjust(16) for cell in row[1:])]) for row in rows))
    if options.markdown is not None:
        command = ["python", "benchmarks/allocators.py", *(sys.argv[1:] if arguments is None else arguments)]
        write_atomically(options.markdown, page(rows, options.rounds, machine_facts(command)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
