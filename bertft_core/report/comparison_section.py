"""The report's section on claims: a sentence for each pair of arms, pictures and tables."""

from collections.abc import Mapping, Sequence
from typing import Any

from bertft_core.metrics.bounds import bounds_of
from bertft_core.records.comparison_record import Comparison, PairComparison
from bertft_core.report import arm_chips
from bertft_core.report.drawings.forest import ForestRow, forest_plot
from bertft_core.report.drawings.lines import Line, line_plot
from bertft_core.report.drawings.look import of_place
from bertft_core.report.drawings.matrix import Chance, matrix_plot
from bertft_core.report.drawings.paired_seeds import PairedSeeds, paired_seeds_plot
from bertft_core.report.drawings.picture import Picture, picture
from bertft_core.report.drawings.seed_points import ArmRow, SeedPoint, seed_plot
from bertft_core.report.formatting import intervals, numbers, p_values
from bertft_core.report.prose import comparison_notes, comparison_text, grammar, pair_details, picture_text, run_words
from bertft_core.statistics.mean_intervals import interval_of_mean
from bertft_core.statistics.performance_profile import performance_profile, profile_points

Section = dict[str, Any]
MOST_PAIRS_IN_DETAIL = 10
"""With more pairs the forest plot has one line for each."""
FEWEST_SEEDS_OF_A_PROFILE = 3
MOST_PAIRED = 4
"""Panels of seeds side by side that fit the page."""
LONGEST_NAME = 16
"""Of each side of a pair, in pictures."""


def section(comparison: Comparison, arms: Sequence[str]) -> Section:
    """What the template lays out; the sentences name these arms by `arm_chips`' marks."""
    spoken = arm_chips.marked(comparison, arms)
    return _sentences(spoken) | _numbers(comparison)


def _sentences(comparison: Comparison) -> Section:
    names = [*comparison.studies, *(arm.name for arm in comparison.arms)]
    refused, notes, found = comparison_notes.refusal, comparison_notes.note, comparison_notes.components
    return {
        "evidence": comparison_notes.evidence(comparison),
        "sentences": [grammar.ended(comparison_text.pair(pair, comparison)) for pair in comparison.headline_pairs],
        "refused": [grammar.ended(refused(refusal, comparison)) for refusal in comparison.refused],
        "notes": [grammar.said(notes(note, comparison), names) for note in comparison.notes],
        "components": [grammar.ended(found(each, comparison)) for each in comparison.components],
        "left_out": [grammar.ended(why) for arm in comparison.arms for why in comparison_notes.left_out(arm)],
    }


def _numbers(comparison: Comparison) -> Section:
    pairs = comparison.headline_pairs
    drawn = pictures(comparison)
    others = [group for group in _by_metric(comparison) if group[0].key != comparison.headline_key]
    return {
        "comparison": comparison,
        "banded": all(arm.shared(()) is None for arm in comparison.arms),
        "pictures": drawn,
        "rows": [_row(pair, comparison) for pair in pairs],
        "details": [_detail(pair, comparison) for pair in pairs],
        "others": [{"metric": group[0].metric, "rows": [_row(pair, comparison) for pair in group]} for group in others],
        "others_forests": [drawn[name] for group in others if (name := f"differences_{group[0].metric}") in drawn],
        "drawn": comparison_notes.drawn(comparison, thin=bool(pairs) and _is_detailed(pairs) and any(map(_thin, pairs))),
        "level": numbers.percent(comparison.level),
        "alpha": f"{1 - comparison.level:.3g}",
    }


def pictures(comparison: Comparison) -> dict[str, Picture]:
    """Name of the file → picture; what has nothing to show is left out."""
    found: dict[str, Picture] = {}
    css = {arm.name: of_place(i) for i, arm in enumerate(comparison.arms)}
    for group in _by_metric(comparison):
        headline = group[0].key == comparison.headline_key
        name = "differences" if headline else f"differences_{group[0].metric}"
        found[name] = forest(group, css, detailed=headline and _is_detailed(group))
    chances = {
        (pair.arm, pair.baseline): Chance(pair.superiority.value, pair.superiority.low, pair.superiority.high)
        for pair in comparison.headline_pairs
        if pair.superiority is not None
    }
    label = f"{comparison.headline_metric} on {comparison.headline_split}"
    if chances:
        names = [arm.name for arm in comparison.arms if any(arm.name in pair for pair in chances)]
        found["superiority"] = picture(matrix_plot, names, chances, f"P(row better than column), {label}")
    if paired := _paired_seeds(comparison, css):
        spoken = " ".join(picture_text.said("paired seeds", arm=p.arm, baseline=p.baseline, n=len(p.scores)) for p in paired)
        maximize = comparison.headline_direction == "maximize"
        found["paired_seeds"] = picture(paired_seeds_plot, paired, label, spoken, maximize=maximize)
    strips = [_strip(comparison, arm.name) for arm in comparison.arms]
    if any(row.points for row in strips):
        title = f"{label}, {comparison.headline_checkpoint} checkpoint"
        found["seeds"] = picture(seed_plot, strips, title, None, bounds_of(comparison.headline_metric))
    profiles = _profiles(comparison)
    if profiles:
        found["profiles"] = picture(line_plot, profiles, (label, "share of seeds above"), y_range=(0.0, 1.0))
    return found


def _paired_seeds(comparison: Comparison, css: Mapping[str, str]) -> list[PairedSeeds]:
    """Of the first pairs whose runs share seeds."""
    found = []
    for pair in comparison.headline_pairs:
        arm, baseline = (comparison.arm(name).scores.get(comparison.headline_key, {}) for name in (pair.arm, pair.baseline))
        both = {seed: (baseline[seed], arm[seed]) for seed in sorted(arm.keys() & baseline.keys())}
        if pair.paired and len(both) > 1:
            found.append(PairedSeeds(pair.arm, pair.baseline, both, (css[pair.baseline], css[pair.arm])))
    return found[:MOST_PAIRED]


def _by_metric(comparison: Comparison) -> list[list[PairComparison]]:
    """The pairs of each metric together, the headline's first."""
    keys = dict.fromkeys([comparison.headline_key, *(pair.key for pair in comparison.pairs)])
    groups = [[pair for pair in comparison.pairs if pair.key == key] for key in keys]
    return [group for group in groups if group]


def _is_detailed(pairs: Sequence[PairComparison]) -> bool:
    return len(pairs) <= MOST_PAIRS_IN_DETAIL


def _thin(pair: PairComparison) -> list[tuple[str, float, float]]:
    """The further intervals of a pair."""
    both = (("seeds only", pair.seeds), ("examples only", pair.examples))
    return [(name, found.low, found.high) for name, found in both if found is not None]


def forest(pairs: Sequence[PairComparison], css: Mapping[str, str], *, detailed: bool) -> Picture:
    """The differences of one metric; `detailed` shows their further intervals too, `css` is the colour of each arm."""
    rows = []
    for pair in pairs:
        thin = _thin(pair) if detailed else []
        note = "" if pair.p_holm is None else f"p (Holm) {p_values.p_value(pair.p_holm)}"
        rows.append(
            ForestRow(
                f"{numbers.shortened(pair.arm, LONGEST_NAME)} − {numbers.shortened(pair.baseline, LONGEST_NAME)}",
                pair.difference,
                None if pair.interval is None else pair.interval.low,
                None if pair.interval is None else pair.interval.high,
                sure=pair.claimed,
                css=css.get(pair.arm, ""),
                thin=thin,
                note=note,
            )
        )
    first, second = (pairs[0].arm, pairs[0].baseline) if len(pairs) == 1 else ("first", "second")
    left, right = (second, first) if pairs[0].direction == "maximize" else (first, second)
    better = f"← {numbers.shortened(left, 20)} better · {numbers.shortened(right, 20)} better →"
    return picture(forest_plot, rows, f"difference of {pairs[0].metric} on {pairs[0].split}", better)


def _strip(comparison: Comparison, name: str) -> ArmRow:
    arm = comparison.arm(name)
    scores = arm.scores.get(comparison.headline_key, {})
    points = [
        SeedPoint(score, f"{name} seed {seed}: {numbers.score(score)}", seed in arm.collapsed)
        for seed, score in sorted(scores.items())
    ]
    values, shared = list(scores.values()), arm.shared(scores)
    low, high = interval_of_mean(values, shared, comparison.level, bounds_of(comparison.headline_metric)) or (None, None)
    return ArmRow(name, points, sum(values) / len(values) if values else None, low, high)


def _profiles(comparison: Comparison) -> list[Line]:
    scores = {arm.name: arm.values(comparison.headline_key) for arm in comparison.arms}
    taus = profile_points(list(scores.values()))
    lines = []
    for i, (name, values) in enumerate(scores.items()):
        if len(values) >= FEWEST_SEEDS_OF_A_PROFILE:
            found = performance_profile(values, taus, comparison.level)
            points = list(zip(found.tau.tolist(), found.share.tolist(), strict=True))
            share, tau = found.share[len(taus) // 2], taus[len(taus) // 2]
            title = picture_text.said("profile", arm=name, share=numbers.percent(share, 2), n=len(values), tau=tau)
            # a band over single runs would be too narrow for those that share seeds or examples
            low, high = ((), ()) if comparison.arm(name).shared(()) is not None else (found.low.tolist(), found.high.tolist())
            lines.append(Line(name, i, points, low, high, title))
    return lines


def _row(pair: PairComparison, comparison: Comparison) -> Section:
    """One line of the pairs' table."""
    chance = pair.superiority
    return {
        "arm": pair.arm,
        "baseline": pair.baseline,
        "difference": numbers.signed(pair.difference),
        "both": intervals.resampled(pair.interval if pair.splits is not None else pair.both),
        "seeds": intervals.resampled(pair.seeds),
        "examples": intervals.pooled(pair, pair.examples),
        "source": numbers.ABSENT if pair.source is None else _source(pair),
        "superiority": numbers.ABSENT if chance is None else f"{chance.value:.2f}",
        "superiority_ends": "" if chance is None or chance.low is None else intervals.with_decimals(chance.low, chance.high),
        "p": p_values.p_value(pair.p_value),
        "p_holm": p_values.p_value(pair.p_holm),
        "claimed": pair.claimed,
        "n": _n(pair),
        "paired": "paired" if pair.paired else "unpaired",
        "n_examples": _n_examples(pair),
    }


def _n_examples(pair: PairComparison) -> str:
    """`160 examples`, or how examples were treated where the arms do not answer the same ones."""
    if pair.n_examples is None:
        return "examples fixed" if pair.examples is None else f"each on its own {pair.unit or 'example'}s"
    return grammar.several(pair.n_examples, pair.unit or "example")


def _n(pair: PairComparison) -> str:
    """`5 seeds`, `5 / 4 seeds`; runs that share seeds are not called so."""
    sizes = dict.fromkeys((pair.n_seeds_arm, pair.n_seeds_baseline))
    return f"{' / '.join(map(str, sizes))} {grammar.plural(run_words.unit_of_pair(pair))}"


def _source(pair: PairComparison) -> str:
    share = pair.seeds_share
    if share is None:
        return str(pair.source)
    return f"{pair.source} ({100 * (share if pair.source == 'seeds' else 1 - share):.0f} %)"


def _detail(pair: PairComparison, comparison: Comparison) -> Section:
    pairing, title = comparison_notes.pairing(pair, comparison), f"{pair.arm} − {pair.baseline}"
    return {"title": title, "pairing": grammar.as_sentence(pairing) if pairing else "", "lines": pair_details.details(pair)}
