"""A comparison for the terminal, in plain text: the arms, the pairs on the headline metric, and sentences about them."""

from collections.abc import Iterable, Sequence

import numpy as np

from bertft_core.records.compared_arm_record import ComparedArmRecord
from bertft_core.records.comparison_record import Comparison, PairComparison
from bertft_core.report.formatting import intervals, numbers, p_values
from bertft_core.report.formatting.aligned_table import aligned
from bertft_core.report.prose import comparison_notes, comparison_text, run_words
from bertft_core.statistics.dispersion import sample_sd


def comparison_table(comparison: Comparison) -> str:
    """Tables and sentences; the other metrics in one line each where something is claimed on them."""
    title = f"{comparison.headline_metric} on {comparison.headline_split}, {comparison.headline_checkpoint} checkpoint"
    runs = "runs" if run_words.over_splits(comparison) else "seeds"
    arms = [("arm", runs, "collapsed", "mean", "sd", "min", "max")]
    blocks = [f"{title}\n{aligned(arms + [_arm_row(arm, comparison.headline_key) for arm in comparison.arms])}"]
    pairs = comparison.headline_pairs
    if pairs:
        blocks.append(aligned(_pair_rows(pairs, comparison.level)) + comparison_notes.of_pooled(pairs))
        blocks.append(_lines(comparison_text.pair(pair, comparison) for pair in pairs))
    others = [pair for pair in comparison.pairs if pair.key != comparison.headline_key]
    if others:
        blocks.append(comparison_notes.other_metrics(others))
    notes = [comparison_notes.components(found, comparison) for found in comparison.components]
    notes += [comparison_notes.refusal(found, comparison) for found in comparison.refused]
    notes += [comparison_notes.note(found, comparison) for found in comparison.notes]
    left_out = [why for arm in comparison.arms for why in comparison_notes.left_out(arm)]
    notes += [f"Not compared: {'; '.join(left_out)}"] if left_out else []
    return "\n\n".join([*blocks, _lines(notes)] if notes else blocks)


def _lines(clauses: Iterable[str]) -> str:
    return "\n".join(f"{clause}." for clause in clauses)


def _arm_row(arm: ComparedArmRecord, key: str) -> tuple[str, ...]:
    values = arm.values(key)
    cells = (float(np.mean(values)), sample_sd(values), min(values), max(values)) if values else (None,) * 4
    return (arm.name, str(arm.n_seeds), str(len(arm.collapsed)), *map(numbers.score, cells))


def _pair_rows(pairs: Sequence[PairComparison], level: float) -> list[tuple[str, ...]]:
    interval = f"{numbers.percent(level)} interval"
    rows: list[tuple[str, ...]]
    rows = [("pair", "difference", interval, "seeds alone", "examples alone", "P(A > B)", "p (Holm)", "claimed")]
    for pair in pairs:
        superiority = numbers.ABSENT if pair.superiority is None else numbers.decimals(pair.superiority.value, 2)
        ends = (
            *map(intervals.resampled, (pair.interval if pair.splits else pair.both, pair.seeds)),
            intervals.pooled(pair, pair.examples),
        )
        evidence = (superiority, p_values.p_value(pair.p_holm), "yes" if pair.claimed else "no")
        rows.append((f"{pair.arm} − {pair.baseline}", numbers.signed(pair.difference), *ends, *evidence))
    return rows
