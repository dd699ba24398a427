"""The difference of two runs as plain text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from bertft_core.evaluation.comparing.curves import QUANTITIES
from bertft_core.evaluation.comparing.difference import ABSENT, MetricPair, Pair, RunDifference

WIDTH = 34


def describe(found: RunDifference) -> str:
    """A block for each part, what is the same in one line each."""
    blocks = [
        _block("settings", _pair_lines(found.settings)),
        _block("seeds", _pair_lines(found.seeds)),
        _block("data", found.data),
        _block("encoder", _pair_lines(found.encoder)),
        _block("environment", _pair_lines(found.environment)),
        _block("hashes", _hash_lines(found)),
        _block("metrics", [_metric_line(pair) for pair in found.metrics]),
        _block("curves", _curve_lines(found)),
    ]
    return "\n".join([f"A  {found.a}", f"B  {found.b}", "", *blocks])


def _block(title: str, lines: Sequence[str]) -> str:
    if not lines:
        return f"{title:<12} the same"
    return "\n".join([title, *(f"  {line}" for line in lines)])


def _pair_lines(pairs: Iterable[Pair]) -> list[str]:
    return [f"{pair.name:<{WIDTH}} {_value(pair.a)} → {_value(pair.b)}" for pair in pairs]


def _value(value: Any) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value)


def _hash_lines(found: RunDifference) -> list[str]:
    lines = [f"{pair.name:<{WIDTH}} {_short(pair.a)} → {_short(pair.b)}" for pair in found.hashes]
    if found.first_other_epoch is not None:
        lines.append(f"{'order of the batches':<{WIDTH}} another from epoch {found.first_other_epoch} on")
    return lines


def _short(sha256: str | None) -> str:
    return ABSENT if sha256 is None else sha256[:12]


def _metric_line(pair: MetricPair) -> str:
    a, b = (ABSENT if value is None else f"{value:.4f}" for value in (pair.a, pair.b))
    change = "" if pair.a is None or pair.b is None else f"  ({pair.b - pair.a:+.3g})"
    return f"{pair.name:<{WIDTH}} {a} → {b}{change}"


def _curve_lines(found: RunDifference) -> list[str]:
    if not found.has_curves:
        return ["not both runs have their curves"]
    return [f"{QUANTITIES[name]:<{WIDTH}} from step {step} on" for name, step in found.first_steps.items() if step is not None]
