"""How long the statistics of a study take on one core and how much memory, and what its peers take; see README.md."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # as a script it finds its neighbours like this
from benchmarks.facts import machine_facts
from benchmarks.pages import bullets, markdown_table
from benchmarks.statistics_peers import TASKS
from benchmarks.statistics_work import PEER_RESAMPLES, Sizes
from bertft_core.storage.study_dir import write_atomically

FULL, QUICK = Sizes(5, 30, 10_000, 10_000), Sizes(3, 5, 200, 200)
GOAL_SECONDS, GOAL_BYTES = 60.0, 2 * 2**30
ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
HERE = Path(__file__).resolve().parent
WORDS = {"aso": "almost stochastic order", "bootstrap test": "bootstrap of the difference of means", "P(A > B)": "P(A > B)"}


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--peer-python", metavar="PYTHON", help="a Python that has deepsig and rliable; without it no peer is run"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the page: docs/benchmarks/statistics.md")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that it works, measures nothing")
    return parser.parse_args(arguments)


def measure(sizes: Sizes, peer_python: str | None) -> dict[str, Any]:
    """Our part and then the peers', each as a fresh process on one core, on the same scores."""
    environment = os.environ | ONE_THREAD
    words = [sys.executable, str(HERE / "statistics_work.py"), *map(str, sizes)]
    ours = json.loads(subprocess.run(words, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout)
    scores = ours.pop("scores")
    if peer_python is None:
        return ours | {"peers": {"tasks": {name: {"error": "no --peer-python was given"} for name in TASKS}, "versions": {}}}
    asked = json.dumps({"first": scores[1], "second": scores[0], "resamples": PEER_RESAMPLES})
    # -P: the folder of the script holds names, such as tables, that other packages look for
    words = [peer_python, "-P", str(HERE / "statistics_peers.py")]
    found = subprocess.run(words, env=environment, input=asked, check=True, stdout=subprocess.PIPE, text=True).stdout
    return ours | {"peers": json.loads(found)}


def part_rows(figures: dict[str, Any]) -> list[tuple[str, ...]]:
    """Part, wall time, time of the processor; their sum last."""
    parts = figures["parts"]
    rows = [(name, *(f"{part[kind]:.2f} s" for kind in ("wall_seconds", "cpu_seconds"))) for name, part in parts.items()]
    sums = (sum(part[kind] for part in parts.values()) for kind in ("wall_seconds", "cpu_seconds"))
    return [*rows, ("all of it", *(f"{seconds:.2f} s" for seconds in sums))]


def peer_rows(figures: dict[str, Any]) -> list[tuple[str, ...]]:
    """Task, resamples, our time, the peer's, the ratio, or why there is none."""
    rows = []
    for name, found in figures["peers"]["tasks"].items():
        ours = figures["as_peers"][name]
        first = (WORDS[name], f"{PEER_RESAMPLES[name]:,}", f"{ours * 1000:.1f} ms", TASKS[name][0])
        if "seconds" in found:
            rows.append((*first, f"{found['seconds'] * 1000:,.0f} ms", f"1/{found['seconds'] / ours:,.0f}"))
        else:
            rows.append((*first, f"not run: {found['error']}", "–"))
    return rows


def reaches_goal(figures: dict[str, Any]) -> bool:
    """Under a minute of the processor, which is that of the clock on a core of its own, and two gigabytes."""
    seconds = sum(part["cpu_seconds"] for part in figures["parts"].values())
    return seconds < GOAL_SECONDS and figures["memory_bytes"] < GOAL_BYTES


def markdown_page(sizes: Sizes, figures: dict[str, Any], about: dict[str, str]) -> str:
    """The page, with machine, versions, date and command."""
    n_pairs = sizes.arms * (sizes.arms - 1) // 2
    megabytes = [f"{figures[name] / 2**20:,.0f} MiB" for name in ("memory_bytes", "data_memory_bytes")]
    versions = figures["peers"]["versions"]
    lines = [
        "# What the statistics cost",
        "",
        f"All {n_pairs} pairs of {sizes.arms} arms of {sizes.seeds} seeds on {sizes.examples:,} made-up examples, with seeds",
        f"and examples resampled {sizes.resamples:,} times, on one core. One run, without imports and without",
        "reading predictions; made by `benchmarks/statistics.py`.",
        "",
        *markdown_table([("part", "wall time", "CPU time"), *part_rows(figures)]),
        "",
        f"The process held {megabytes[0]} at its peak, {megabytes[1]} of it before the first part (imports and",
        "predictions). The goal is one minute on a dedicated core and 2,048 MiB.",
        "",
        "One pair of arms, their scores alone, in the same run, CPU time:",
        "",
        *markdown_table([("task", "resamples", "bertft", "peer", "its time", "bertft ÷ peer"), *peer_rows(figures)]),
        "",
        "Ours is the best of three, the peer's one run. Neither peer resamples examples.",
        "",
        *bullets(about | {"peers": ", ".join(f"{name} {number}" for name, number in versions.items()) or "none"}),
        "",
    ]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run, print, write; 0, 1 where the goal was missed, 2 where the other Python is none."""
    options = parse(arguments)
    sizes = QUICK if options.quick else FULL
    command = ["python", "benchmarks/statistics.py", *(sys.argv[1:] if arguments is None else arguments)]
    load = os.getloadavg()[0]
    if options.peer_python is not None and shutil.which(options.peer_python) is None:
        print(f"error: {options.peer_python} is no program", file=sys.stderr)
        return 2
    figures = measure(sizes, options.peer_python)
    about = {"load before": f"{load:.2f}"} | machine_facts(command)
    for row in [*part_rows(figures), *peer_rows(figures)]:
        print("  ".join(row))
    print(f"peak memory  {figures['memory_bytes'] / 2**20:,.0f} MiB")
    written = json.dumps({"about": about, "sizes": sizes._asdict()} | figures, indent=1) + "\n"
    for path, text in ((options.json, written), (options.markdown, markdown_page(sizes, figures, about))):
        if path is not None:
            write_atomically(path, text)
    return 0 if reaches_goal(figures) else 1


if __name__ == "__main__":
    sys.exit(main())
