"""The difference of two runs as plain text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from bertft_core.evaluation.run_diff.curve_diff import QUANTITIES
from bertft_core.evaluation.run_diff.diff_runs import ABSENT, MetricPair, Pair, RunDiff

WIDTH = 36


def describe(found: RunDiff) -> str:
    """A block for each part, what is the same in one line each."""
    blocks = [
        _block("settings", _pair_lines(found.settings)),
        _block("seeds", _pair_lines(found.seeds)),
        _block("data", found.data),
        _block("encoder", _pair_lines(found.encoder)),
        _block("environment", _pair_lines(found.environment)),
        _block("hashes", _hash_lines(found)),
        _block("metrics", _metric_lines(found)),
        _block("curves", _curve_lines(found)),
    ]
    return "\n".join([f"A  {found.a}", f"B  {found.b}", "", *blocks])


def _block(title: str, lines: Sequence[str]) -> str:
    if not lines:
        return f"{title:<12} the same"
    return "\n".join([title, *(f"  {line}" for line in lines)])


def _pair_lines(pairs: Iterable[Pair]) -> list[str]:
    return [_line(pair.name, f"{_value(pair.a)} → {_value(pair.b)}") for pair in pairs]


def _line(name: str, told: str) -> str:
    return f"{name:<{WIDTH}} {told}"


def _value(value: Any) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value)


def _hash_lines(found: RunDiff) -> list[str]:
    lines = [_line(pair.name, f"{_short(pair.a)} → {_short(pair.b)}") for pair in found.hashes]
    if found.first_other_epoch is not None:
        lines.append(_line("order of the batches", f"another from epoch {found.first_other_epoch} on"))
    return lines


def _short(sha256: str | None) -> str:
    return ABSENT if sha256 is None else sha256[:12]


def _metric_lines(found: RunDiff) -> list[str]:
    """The metric that the runs are chosen by, on every split; of the others how many there are."""
    shown = [pair for pair in found.metrics if "/" not in pair.name or pair.name.split("/", 2)[2] in found.chosen_by]
    lines = [_line(pair.name, _numbers(pair)) for pair in shown]
    n_others = len(found.metrics) - len(shown)
    if n_others:
        lines.append(f"and {n_others} other{'s' * (n_others > 1)}; --json has all")
    return lines


def _numbers(pair: MetricPair) -> str:
    a, b = (ABSENT if value is None else f"{value:.4f}" for value in (pair.a, pair.b))
    return f"{a} → {b}" + ("" if pair.a is None or pair.b is None else f"  ({pair.b - pair.a:+.3g})")


def _curve_lines(found: RunDiff) -> list[str]:
    if not found.has_curves:
        return ["not both runs have their curves"]
    return [_line(QUANTITIES[name], f"from step {step} on") for name, step in found.first_steps.items() if step is not None]
