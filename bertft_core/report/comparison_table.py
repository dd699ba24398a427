"""A comparison for the terminal, in plain text: the arms, the pairs on the headline metric, and what is said of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bertft_core.records.comparison_record import ComparedArmRecord, Comparison, PairComparison, ResampledDifference
from bertft_core.report.formatting import numbers, p_values
from bertft_core.statistics.dispersion import sample_sd


def claims_text(comparison: Comparison) -> str:
    """Tables and sentences; the other metrics in one line each where they are claimed. Only spaces, no colours."""
    title = f"{comparison.headline_metric} on {comparison.headline_split}, {comparison.headline_checkpoint} checkpoint"
    blocks = [f"{title}\n{_table(_arm_rows(comparison))}"]
    pairs = comparison.headline_pairs
    if pairs:
        blocks.append(_table(_pair_rows(pairs, comparison.level)))
        blocks.append("\n".join(f"{pair.sentence}." for pair in pairs))
    others = [pair for pair in comparison.pairs if pair.key != comparison.headline_key]
    if others:
        blocks.append(_others(others))
    told = [*(found.sentence for found in comparison.components), *comparison.refused, *comparison.notes]
    left_out = [why for arm in comparison.arms for why in arm.left_out]
    if left_out:
        told.append(f"Not compared: {'; '.join(left_out)}")
    return "\n\n".join([*blocks, "\n".join(f"{line.removesuffix('.')}." for line in told)] if told else blocks)


def _arm_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("arm", "seeds", "collapsed", "mean", "sd", "min", "max")]
    return rows + [_arm_row(arm, comparison.headline_key) for arm in comparison.arms]


def _arm_row(arm: ComparedArmRecord, key: str) -> tuple[str, ...]:
    values = arm.values(key)
    cells = (float(np.mean(values)), sample_sd(values), min(values), max(values)) if values else (None, None, None, None)
    return (arm.name, str(arm.n_seeds), str(len(arm.collapsed)), *(numbers.score(number) for number in cells))


def _pair_rows(pairs: Sequence[PairComparison], level: float) -> list[tuple[str, ...]]:
    percent = f"{100 * level:.4g} %"
    rows: list[tuple[str, ...]] = [
        ("pair", "difference", f"{percent} interval", "seeds alone", "examples alone", "P(A > B)", "p (Holm)", "claimed")
    ]
    for pair in pairs:
        superior = numbers.ABSENT if pair.superiority is None else f"{pair.superiority.value:.2f}"
        p = p_values.p_value(pair.p_holm)
        intervals = [_interval(found) for found in (pair.both, pair.seeds, pair.examples)]
        name = f"{pair.arm} − {pair.baseline}"
        rows.append((name, numbers.signed(pair.difference), *intervals, superior, p, "yes" if pair.claimed else "no"))
    return rows


def _others(pairs: Sequence[PairComparison]) -> str:
    """What is claimed on each of the other metrics, and those on which nothing is, together."""
    claimed: dict[str, list[str]] = {pair.metric: [] for pair in pairs}
    for pair in pairs:
        if pair.claimed:
            claimed[pair.metric].append(f"{pair.arm} − {pair.baseline} {numbers.signed(pair.difference)}")
    lines = [(metric, "; ".join(told)) for metric, told in claimed.items() if told]
    nothing = ", ".join(metric for metric, told in claimed.items() if not told)
    lines += [("nothing on", nothing)] if nothing else []
    return f"claimed on the other metrics of {pairs[0].split}\n{_table(lines)}"


def _interval(found: ResampledDifference | None) -> str:
    return numbers.ABSENT if found is None else f"{numbers.signed(found.low)} to {numbers.signed(found.high)}"


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
