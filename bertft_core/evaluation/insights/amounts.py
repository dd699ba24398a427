"""Scores and differences as the sentences of the insights write them."""

from __future__ import annotations

from bertft_core.evaluation.differences import told_in_points


def amount(value: float, metric: str) -> str:
    """A size or a spread: hundredths as `1.3 points`, or `0.042` of a metric that is no share."""
    points = f"{100 * value:.3g}"
    text = f"{points} {'point' if points == '1' else 'points'}" if told_in_points(metric) else f"{value:.3g}"
    return text.replace("-", "−")


def score(value: float) -> str:
    """A score itself."""
    return f"{value:.3f}".replace("-", "−")


def duration(hours: float) -> str:
    """`48 s`, `12 min` or `3.5 h`."""
    seconds = 3600 * hours
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{hours:.1f} h"
