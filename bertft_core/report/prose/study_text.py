"""Sentences about a study as a whole: its question, its design, its result, and what to know before quoting it."""

from bertft_core.config.study_config import StudyConfig
from bertft_core.metrics import METRICS
from bertft_core.records import GainOverMajority, StudySummary
from bertft_core.report.formatting import intervals, numbers
from bertft_core.report.prose import (
    comparison_notes,
    comparison_text,
    ensembles_text,
    grammar,
    seed_designs_text,
    split_designs_text,
)
from bertft_core.statistics.crossed_mean import FEWEST_LEVELS
from bertft_core.statistics.rounding import ROUNDING
from bertft_core.statistics.seeds_needed import MIN_SEEDS


def sentences(summary: StudySummary) -> list[str]:
    """Each arm against the baseline, in words, and an arm that cannot be compared; then each arm against the constant predictor.

    Selected seeds are not compared, which is stated; of seeds that were added, why no more were.
    """
    selected = [f"{seed_designs_text.selected(arm, summary)}." for arm in summary.arms if arm.selected is not None]
    combined = [arm for arm in summary.arms if arm.ensemble is not None]
    ensembles = [grammar.said(ensembles_text.ensemble(arm, summary), [arm.arm]) for arm in combined]
    if selected:
        return selected + ensembles
    lines = list(dict.fromkeys(_against_baseline(arm.arm, summary) for arm in summary.arms[1:]))
    lines = lines or [f"The study has one arm, {summary.arms[0].arm}, so there is nothing to compare it with."]
    lines += [f"{gain_over_majority(gain, summary)}." for gain in summary.gains_over_majority]
    names = [arm.arm for arm in summary.arms]
    lines += [grammar.as_sentence(seed_designs_text.adaptive(summary.adaptive, names))] if summary.adaptive is not None else []
    return lines + ensembles


def of_arm(arm: str, summary: StudySummary) -> list[str]:
    """The verdict on one arm: against the baseline, where it is another one, and against the constant predictor."""
    (found,) = (each for each in summary.arms if each.arm == arm)
    if found.selected is not None:
        return [f"{seed_designs_text.selected(found, summary)}."]
    baseline = summary.arms[0].arm
    first = [_against_baseline(arm, summary)] if arm != baseline else []
    if arm == baseline and len(summary.arms) > 1:
        first = [f"{arm} is the baseline that the other arms of the study are compared with."]
    return first + [f"{gain_over_majority(gain, summary)}." for gain in summary.gains_over_majority if gain.arm == arm]


def _against_baseline(arm: str, summary: StudySummary) -> str:
    baseline, comparison = summary.arms[0].arm, summary.comparison
    if comparison is None:
        return f"{arm} and {baseline} have not been compared: bertft report {summary.study} does it."
    pair = comparison.pair(arm, baseline)
    named = ({arm, baseline}, {arm, None}, {baseline, None})
    refused = next((found for found in comparison.refused if {found.arm, found.baseline} in named), None)
    if pair is not None:
        return f"{comparison_text.pair(pair, comparison)}."
    if refused is not None:
        return f"{comparison_notes.refusal(refused, comparison)}."
    return f"{arm} and {baseline} are not compared: scores are missing, or an older version noted no reason (bertft report)."


def gain_over_majority(found: GainOverMajority, summary: StudySummary) -> str:
    """An arm against the constant predictor; collapsed runs are counted."""
    constant = METRICS[summary.head].constant_for(summary.headline_metric) if summary.head in METRICS else "the same"
    other = f"always answering {constant} ({numbers.score(found.constant_score)})"
    metric, split = summary.headline_metric, summary.headline_split
    head = comparison_text.difference(found.arm, other, found.mean, metric, split, summary.headline_direction)
    shared = any(seed.cell is not None or seed.split is not None for arm in summary.arms for seed in arm.seeds)
    over = f"{head} over {grammar.several(found.n, 'run' if shared else 'seed')}"
    if found.n < MIN_SEEDS:
        return f"{over}; an interval takes at least {MIN_SEEDS} seeds"
    if found.t_low is None or found.t_high is None:
        return f"{over}; an interval needs a complete grid of at least {comparison_text.GRID} init and order seeds"
    if found.t_high - found.t_low < ROUNDING:
        return f"{over}, the same in each; without any spread no interval can be given"
    level = numbers.percent(summary.level)
    size = found.mean if abs(found.mean) >= ROUNDING else found.t_high - found.t_low  # rounding alone would ask for all digits
    ends = intervals.of_difference(found.t_low, found.t_high, metric, of=size)
    zero = " includes zero" if found.t_low <= 0 <= found.t_high else ""
    same_sign = f"; {found.n_agreeing} of {found.n} agree" if found.n_agreeing not in (None, found.n) and not zero else ""
    return f"{over} ({level} interval {ends}{zero}{same_sign})"


def crossed_sizes(summary: StudySummary) -> tuple[int, int] | None:
    """How many init and how many order seeds the runs of each arm share; None where they share none."""
    cells = [seed.cell for arm in summary.arms for seed in arm.seeds if seed.cell is not None]
    return (1 + max(cell.init for cell in cells), 1 + max(cell.order for cell in cells)) if cells else None


def of_crossed(summary: StudySummary) -> str | None:
    """How the intervals of runs that share seeds were made, in a sentence; None for any other design."""
    sizes = crossed_sizes(summary)
    if sizes is None:
        return None
    shared = f"The runs of each arm share {sizes[0]} init and {sizes[1]} order seeds (crossed) and are not an independent sample"
    if min(sizes) < FEWEST_LEVELS:
        return f"{shared}: no interval of their mean is given; that needs at least {FEWEST_LEVELS} seeds of each kind."
    return (
        f"{shared}: t-intervals have the variance of a mean under two-way random effects (init and order; Searle et al. 1992) "
        f"and Satterthwaite's degrees of freedom; there is none without a complete grid of {FEWEST_LEVELS} × {FEWEST_LEVELS} "
        "seeds, and no bootstrap."
    )


def of_design(summary: StudySummary) -> str | None:
    """How the intervals of runs that are not independent were made; None where they are."""
    return of_crossed(summary) or split_designs_text.of_summary(summary)


def not_counted(summary: StudySummary) -> list[str]:
    """'full: 1 diverged, 1 missing' for each arm with runs that are no plain success."""
    found = {arm.arm: {status: n for status, n in arm.counts.items() if status != "ok" and n} for arm in summary.arms}
    return [
        f"{arm}: {grammar.listed(f'{n} {status}' for status, n in counts.items())}" for arm, counts in found.items() if counts
    ]


def cautions(study: StudyConfig, summary: StudySummary) -> list[str]:
    """What a reader must know before quoting the numbers."""
    over_splits = study.seeds.splits is not None
    notes = (
        [] if over_splits else ["The interval of an arm's mean accounts for the choice of seeds, not for the choice of examples."]
    )
    if not over_splits and summary.comparison is not None and summary.comparison.pairs:
        notes.append("The intervals of differences between arms account for both, where examples could be resampled.")
    if summary.headline_split == "validation":
        notes.append(
            "The headline is on the validation set, which also chose the best checkpoint and any searched setting: "
            "it flatters the arms that were chosen by it."
        )
    elif summary.headline_split != study.headline.split:
        notes.append(f"There is no {study.headline.split} set, so the headline is on {summary.headline_split}.")
    design = of_design(summary)
    if design is not None:
        notes.append(design)
    elif any(arm.n_planned < 10 and arm.selected is None for arm in summary.arms):
        notes.append("With fewer than about ten seeds bootstrap intervals are too narrow; trust the t-interval.")
    return notes
