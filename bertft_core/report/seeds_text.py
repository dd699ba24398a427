"""The answer of `bertft seeds` for the terminal."""

from bertft_core.records.seeds_answer import CountedForSpread, CountedSeeds
from bertft_core.report.formatting import numbers
from bertft_core.report.formatting.aligned_table import aligned
from bertft_core.report.prose import budgets_text, power_text, variance_text


def seeds_text(counted: CountedSeeds) -> str:
    """What the seeds of a study can detect, how many are needed, sources of variance, and whether stopping early would pay."""
    needed = [power_text.seeds_needed(found) for found in counted.seeds_needed] or [power_text.nothing(counted)]
    aims = map(power_text.seeds_for, counted.aims)
    winner = [] if counted.nothing == "split_design" else [power_text.winner(counted.pairs_to_tell_a_winner)]
    sources = [*map(variance_text.components, counted.variance), *map(variance_text.between_studies, counted.between_studies)]
    sections = {
        "what these seeds can detect": needed,
        "how many seeds are needed": [*aims, *winner, *map(power_text.runs_to_exceed, counted.exceeding)],
        "at the observed spread": _table(counted),
        "sources of variance": sources,
        "start many, stop early, continue some": [budgets_text.start_many(view) for view in counted.start_many],
    }
    lines = [f"{counted.study}: {counted.metric} on {counted.split}, {counted.checkpoint} checkpoint"]
    for title, sentences in sections.items():
        lines += ["", title, *(f"  {sentence}" for sentence in sentences)] if sentences else []
    return "\n".join(lines)


def spread_text(counted: CountedForSpread) -> str:
    """How many seeds are needed at a given spread, and what each number of seeds gives."""
    kind = "paired differences" if counted.paired else "each of two unpaired arms"
    aims = [*map(power_text.seeds_for, counted.aims), power_text.winner(counted.pairs_to_tell_a_winner)]
    rows = [("seeds", "mean to ±", f"detect, {numbers.percent(counted.power)} power")]
    rows += [(str(point.n), f"{point.half_width:.4g}", f"{point.detectable:.4g}") for point in counted.curve]
    return "\n".join([f"an sd of {counted.sd:g} ({kind})", "", *aims, "", aligned(rows, indent="  ", right=(0, 1, 2))])


def _table(counted: CountedSeeds) -> list[str]:
    """What n seeds would give: of an arm the half width of its mean, of a pair the difference that they detect."""
    shown = [found for found in counted.seeds_needed if found.curve]
    if not shown:
        return []
    rows = [("seeds", *(f"{found.name} {'±' if found.baseline is None else 'detects'}" for found in shown))]
    for points in zip(*(found.curve for found in shown), strict=True):
        pairs = zip(points, shown, strict=True)
        values = (point.half_width if found.baseline is None else point.detectable for point, found in pairs)
        rows.append((str(points[0].n), *(numbers.decimals(value, 4) for value in values)))
    return aligned(rows, right=range(len(rows[0]))).splitlines()
