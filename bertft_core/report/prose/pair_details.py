"""Every test and effect size of a pair of arms, each as a name and what was found."""

from bertft_core.records.comparison_record import NamedTest, PairComparison
from bertft_core.report.formatting import intervals, numbers, p_values


def details(pair: PairComparison) -> list[tuple[str, str]]:
    """Everything else that was computed for one pair, as (name, value) lines."""
    lines = (
        [("interval over repeats and examples, pooled", intervals.pooled(pair, pair.both))] if pair.splits and pair.both else []
    )
    lines += [(test.name, _test(test)) for test in pair.tests]
    lines += [(f"{test.name} (equal spread)", _test(test)) for test in pair.stability]
    if pair.sd_ratio is not None:
        lines.append(("ratio of the standard deviations", intervals.estimate(pair.sd_ratio)))
    for name, found in (("seeds and examples", pair.both), ("seeds only", pair.seeds)):
        if pair.splits is None and found is not None and found.percentile_low is not None and found.percentile_high is not None:
            ends = intervals.signed(found.percentile_low, found.percentile_high)
            lines.append((f"percentile interval, {name}", f"{ends}, p {p_values.p_value(found.percentile_p)}"))
    if pair.aso is not None:
        under = "under" if pair.aso.eps_min < pair.aso.tau else "not under"
        few = ", but from too few seeds to be meaningful" if pair.aso.eps_min < pair.aso.tau and not pair.aso.is_better else ""
        lines.append(("almost stochastic order, ε_min", f"{pair.aso.eps_min:.3f}, {under} τ = {pair.aso.tau:g}{few}"))
    lines += [(name.replace("_", " ").replace("cohens", "Cohen's").replace("hedges", "Hedges'").replace("cliffs", "Cliff's"),
               numbers.decimals(value, 2)) for name, value in pair.effects.items()]  # fmt: skip
    if pair.disagreement is not None:
        only = f"{pair.disagreement.only_arm:.1f} only {pair.arm}, {pair.disagreement.only_baseline:.1f} only {pair.baseline}"
        test = "" if pair.disagreement.p is None else f", p {p_values.p_value(pair.disagreement.p)}"
        lines.append(("examples that one alone gets right", f"{only}{test}"))
    if pair.without_collapsed is not None:
        second = pair.without_collapsed
        lines.append(("without collapsed runs", f"{numbers.signed(second.difference)} ({intervals.resampled(second.both)})"))
    return lines


def _test(test: NamedTest) -> str:
    statistic = "" if test.statistic is None else f"{test.statistic:.3g}, ".replace("-", "−")
    return f"{statistic}p {p_values.p_value(test.p)}"
