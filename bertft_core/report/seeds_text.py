"""How many seeds it takes, as the terminal shows it."""

from __future__ import annotations

from collections.abc import Sequence

from bertft_core.records.insight_records import SeedsNeeded
from bertft_core.records.seeds_answer import CountedForSpread, CountedSeeds
from bertft_core.report.prose import budgets_text, variance_text


def seeds_text(counted: CountedSeeds) -> str:
    """What the seeds of a study tell, what aims take, where variance comes from, and whether stopping early would have paid."""
    shown = [each for each in counted.seeds_needed if each.curve]
    lines = [f"{counted.study}: {counted.metric} on {counted.split}, {counted.checkpoint} checkpoint"]
    lines += _section("what these seeds tell", [each.sentence for each in counted.seeds_needed] or [counted.nothing or ""])
    winner = _winner(counted.pairs_to_tell_a_winner)
    lines += _section("how many it takes", [*(aim.sentence for aim in counted.aims), winner, *counted.exceeding])
    lines += _section("at the spread that was seen", _table(shown) if shown else [])
    sources = [variance_text.components(each) for each in counted.variance] + [
        variance_text.between_studies(each) for each in counted.between_studies
    ]
    lines += _section("where the variance comes from", sources)
    lines += _section("start many, stop early, continue some", [budgets_text.start_many(view) for view in counted.start_many])
    return "\n".join(lines)


def spread_text(counted: CountedForSpread) -> str:
    """What aims take at a given spread, and what each number of seeds gives."""
    kind = "paired differences" if counted.paired else "each of two unpaired arms"
    lines = [f"an sd of {counted.sd:g} ({kind})", "", *(aim.sentence for aim in counted.aims)]
    lines += [_winner(counted.pairs_to_tell_a_winner), ""]
    lines += [f"{'seeds':>7}{'mean to ±':>12}   finds, power {100 * counted.power:g} %"]
    lines += [f"{point.n:>7}{point.half_width:>12.4g}   {point.detectable:.4g}" for point in counted.curve]
    return "\n".join(lines)


def _winner(n: int) -> str:
    what = "that one of two arms wins in 75 % of the pairs of runs"
    return f"to tell {what}: {n} pairs, whatever the spread (Noether 1987; both risks 5 %)"


def _table(shown: Sequence[SeedsNeeded]) -> list[str]:
    """What n seeds would give: of an arm the half width of its mean, of a pair the difference that is found."""
    heads = [f"{each.arm} ±" if each.baseline is None else f"{each.arm} − {each.baseline} finds" for each in shown]
    columns = [["seeds", *(str(point.n) for point in shown[0].curve)]]
    for head, each in zip(heads, shown, strict=True):
        values = [point.half_width if each.baseline is None else point.detectable for point in each.curve]
        columns.append([head, *(f"{value:.4f}" for value in values)])
    widths = [max(map(len, column)) for column in columns]
    rows = zip(*columns, strict=True)
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]


def _section(title: str, sentences: Sequence[str]) -> list[str]:
    return ["", title, *(f"  {sentence}" for sentence in sentences)] if sentences else []
