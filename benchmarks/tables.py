"""The benchmark's figures as a table for the terminal and as a page."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from benchmarks.contestants import Figures
from benchmarks.pages import bullets, markdown_table

Rounds = Sequence[tuple[Figures, Figures]]
"""Trainer's and bertft's figures, round by round."""
HEADER = ("", "Trainer", "bertft", "bertft ÷ Trainer")
MIB = 2**20
NONE = "–"


def _seconds(value: float) -> str:
    return f"{value:.1f} s"


def _mebibytes(value: float) -> str:
    return f"{value / MIB:,.0f} MiB"


def _rate(value: float) -> str:
    return f"{value:.1f}"


ROWS: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("examples/s, everything included", "examples_per_second", _rate),
    ("wall time", "wall_seconds", _seconds),
    ("CPU time", "cpu_seconds", _seconds),
    ("peak memory, all processes", "peak_memory_bytes", _mebibytes),
    ("peak GPU memory of one run", "gpu_bytes", _mebibytes),
    ("start-up to the first training step", "startup_seconds", _seconds),
    ("examples/s of one run while it trains", "training_examples_per_second", _rate),
    ("validation accuracy, mean over seeds", "accuracy", "{:.3f}".format),
    ("orchestration ÷ training time", "orchestration_ratio", "{:.1%}".format),
)


def rows(rounds: Rounds) -> list[tuple[str, ...]]:
    """Medians over the rounds; the ratio is of the medians."""
    table = []
    for title, name, word in ROWS:
        trainer, bertft = (median([getattr(figures, name) for figures in side]) for side in zip(*rounds, strict=True))
        if trainer is None and bertft is None:
            continue
        ratio = NONE if trainer is None or bertft is None or not trainer else f"{bertft / trainer:.2f}"
        table.append((title, *(NONE if value is None else word(value) for value in (trainer, bertft)), ratio))
    return table


def median(values: Sequence[float | None]) -> float | None:
    """Of the values that are there."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def text_table(rounds: Rounds) -> str:
    """Aligned columns; figures to the right."""
    cells = [HEADER, *rows(rounds)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(HEADER))]
    return "\n".join("  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in cells)


def markdown_page(rounds: Rounds, about: dict[str, str]) -> str:
    """A page with figures, machine, versions, date and command; `about` holds the facts in the order to show them."""
    made = "One round" if len(rounds) == 1 else f"Medians of {len(rounds)} alternating rounds"
    lines = [
        "# bertft against transformers.Trainer",
        "",
        "The same study twice on the same machine: a fresh `transformers.Trainer` process for each seed",
        "(dynamic padding, nothing saved or logged), and one `bertft run` (with its Prefect server, MLflow",
        "record and report). Every figure includes process start and imports.",
        f"{made}; made by `benchmarks/against_trainer.py`.",
        "",
        *markdown_table([HEADER, *rows(rounds)]),
        "",
    ]
    if len(rounds) > 1:
        each = [(str(i + 1), *(_seconds(figures.wall_seconds) for figures in pair)) for i, pair in enumerate(rounds)]
        lines += ["Wall time of every round:", "", *markdown_table([("round", "Trainer", "bertft"), *each]), ""]
    lines += [
        *bullets(about),
        "",
        "Memory is the peak sum of resident memory over all processes; shared pages count once per process.",
        "Trainer's start-up is the mean over its processes and is paid for every seed; bertft's is paid once.",
        "Orchestration is wall time minus start-up minus training and evaluation of the busiest slot:",
        "building models, tracking, evaluation, report, shutdown.",
        "",
    ]
    return "\n".join(lines)
