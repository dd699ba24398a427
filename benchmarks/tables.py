"""The benchmark's figures as a table for the terminal and as a page."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence

from benchmarks.contestants import BERTFT, Figures
from benchmarks.pages import bullets, markdown_table

Rounds = Sequence[Mapping[str, Figures]]
"""Figures by the name of the contestant, round by round."""
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


def header(rounds: Rounds) -> tuple[str, ...]:
    """An empty cell, and the contestants."""
    return ("", *rounds[0])


def rows(rounds: Rounds) -> list[tuple[str, ...]]:
    """Medians over the rounds."""
    table = []
    for title, name, word in ROWS:
        values = [median([getattr(figures[each], name) for figures in rounds]) for each in rounds[0]]
        if any(value is not None for value in values):
            table.append((title, *(NONE if value is None else word(value) for value in values)))
    return table


def ratios(rounds: Rounds) -> list[tuple[str, ...]]:
    """A header, and how many times as many seeds per hour as each Trainer; of medians, everything included."""
    seconds = {name: median([figures[name].wall_seconds for figures in rounds]) or 0.0 for name in rounds[0]}
    peers = [name for name in seconds if name not in BERTFT]
    table = [("times as fast as", *peers)]
    for ours in seconds:
        if ours in BERTFT:
            table.append((ours, *(f"{seconds[peer] / seconds[ours]:.2f}" for peer in peers)))
    return table


def median(values: Sequence[float | None]) -> float | None:
    """Of the values that are there."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def text_table(rounds: Rounds) -> str:
    """Aligned columns; figures to the right."""
    return f"{_aligned([header(rounds), *rows(rounds)])}\n\n{_aligned(ratios(rounds))}"


def _aligned(cells: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    return "\n".join("  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in cells)


def markdown_page(rounds: Rounds, about: dict[str, str]) -> str:
    """A page with figures, machine, versions, date and command; `about` holds the facts in the order to show them."""
    made = "One round" if len(rounds) == 1 else f"Medians of {len(rounds)} alternating rounds"
    lines = [
        "# bertft against transformers.Trainer",
        "",
        "The same study on the same machine: a fresh `transformers.Trainer` process for each seed (dynamic",
        "padding unless said otherwise, nothing saved or logged), and one `bertft run` (with its Prefect",
        "server, MLflow record and report). Every figure includes process start and imports.",
        f"{made}; made by `benchmarks/against_trainer.py`.",
        "",
        *markdown_table(ratios(rounds)),
        "",
        *markdown_table([header(rounds), *rows(rounds)]),
        "",
    ]
    if len(rounds) > 1:
        each = [(str(i + 1), *(_seconds(of.wall_seconds) for of in figures.values())) for i, figures in enumerate(rounds)]
        lines += ["Wall time of every round:", "", *markdown_table([("round", *rounds[0]), *each]), ""]
    lines += [
        *bullets(about),
        "",
        "Memory is the peak sum over all processes, shared pages counted once (proportional set size).",
        "Trainer's start-up is the mean over its processes and is paid for every seed; bertft's is paid once.",
        "Orchestration is wall time minus start-up minus training and evaluation of the busiest slot:",
        "building models, tracking, evaluation, report, shutdown.",
        "",
    ]
    return "\n".join(lines)
