"""Sentences about a study as a whole: its question, its design, its result, and what to know before quoting it."""

from collections.abc import Mapping
from typing import Any

from bertft_core.config.seed_settings import CrossedDesign, OnlyDesign
from bertft_core.config.strategy_settings import AnyStrategy
from bertft_core.config.study_config import StudyConfig
from bertft_core.records import DatasetCard, StudySummary
from bertft_core.report.formatting import numbers
from bertft_core.report.prose import comparison_notes, comparison_text, ensembles_text, grammar, seed_designs_text
from bertft_core.statistics.crossed_mean import FEWEST_LEVELS

MOST_LABELS = 12


def strategy(config: AnyStrategy) -> str:
    """'llrd (decay 0.9)': the kind of a strategy and its settings."""
    given = config.model_dump(exclude={"kind"}, exclude_none=True)
    settings = ", ".join(f"{name} {numbers.setting(value)}" for name, value in given.items())
    return config.kind.replace("_", " ") + (f" ({settings})" if settings else "")


def sentences(summary: StudySummary) -> list[str]:
    """Each arm against the baseline, in words, and an arm that cannot be compared; then each arm against the constant predictor.

    Selected seeds are not compared, which is stated; of seeds that were added, why no more were.
    """
    selected = [f"{seed_designs_text.selected(arm, summary)}." for arm in summary.arms if arm.selected is not None]
    ensembles = [f"{ensembles_text.ensemble(arm, summary)}." for arm in summary.arms if arm.ensemble is not None]
    if selected:
        return selected + ensembles
    lines = list(dict.fromkeys(_against_baseline(arm.arm, summary) for arm in summary.arms[1:]))
    lines = lines or [f"The study has one arm, {summary.arms[0].arm}, so there is nothing to compare it with."]
    lines += [f"{comparison_text.gain_over_majority(gain, summary)}." for gain in summary.gains_over_majority]
    names = [arm.arm for arm in summary.arms]
    lines += [grammar.as_sentence(seed_designs_text.adaptive(summary.adaptive, names))] if summary.adaptive is not None else []
    return lines + ensembles


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


def not_counted(summary: StudySummary) -> list[str]:
    """'full: 1 diverged, 1 missing' for each arm with runs that are no plain success."""
    found = {arm.arm: {status: n for status, n in arm.counts.items() if status != "ok" and n} for arm in summary.arms}
    return [
        f"{arm}: {grammar.listed(f'{n} {status}' for status, n in counts.items())}" for arm, counts in found.items() if counts
    ]


def cautions(study: StudyConfig, summary: StudySummary) -> list[str]:
    """What a reader must know before quoting the numbers."""
    notes = ["The interval of an arm's mean accounts for the choice of seeds, not for the choice of examples."]
    if summary.comparison is not None and summary.comparison.pairs:
        notes.append("The intervals of differences between arms account for both, where examples could be resampled.")
    if summary.headline_split == "validation":
        notes.append(
            "The headline is on the validation set, which also chose the best checkpoint and any searched setting: "
            "it flatters the arms that were chosen by it."
        )
    elif summary.headline_split != study.headline.split:
        notes.append(f"There is no {study.headline.split} set, so the headline is on {summary.headline_split}.")
    crossed = of_crossed(summary)
    if crossed is not None:
        notes.append(crossed)
    elif any(arm.n_planned < 10 for arm in summary.arms):
        notes.append("With fewer than about ten seeds bootstrap intervals are too narrow; trust the t-interval.")
    return notes


def question(study: StudyConfig, card: DatasetCard, summary: StudySummary) -> str:
    """What was asked, in one paragraph."""
    arms = list(study.arms)
    sizes = grammar.listed(f"{split.n_examples:,} {name}" for name, split in card.splits.items())
    compared = (
        f"compares the arms {grammar.listed(arms)}; {arms[0]} is the baseline" if len(arms) > 1 else f"looks at the arm {arms[0]}"
    )
    n = summary.arms[0].n_planned
    times = "once" if n == 1 else f"{n} times"
    parts = [
        f"The study {compared}.",
        f"The data set {card.name} has {sizes} examples{_labelled(card)}.",
        f"Each arm starts from {card.encoder.checkpoint} and is trained {times}: {moving(study, card)}.",
        *(_searched(arm, config.search) for arm, config in study.arms.items() if config.search is not None),
        f"The headline is {summary.headline_metric} on {summary.headline_split}, with the weights of the "
        + ("best validation score." if summary.headline_checkpoint == "best" else "last step."),
    ]
    return " ".join(parts)


def _labelled(card: DatasetCard) -> str:
    if not card.labels:
        return ""
    shown = (
        [*card.labels[:MOST_LABELS], f"{len(card.labels) - MOST_LABELS} more"] if len(card.labels) > MOST_LABELS else card.labels
    )
    return f" with the labels {grammar.listed(shown)}"


def moving(study: StudyConfig, card: DatasetCard) -> str:
    """What differs from run to run, in a clause."""
    design = study.seeds.design
    if study.seeds.start is not None and study.seeds.stop_at is not None:
        cut = f"{100 * study.seeds.stop_at:g} % of the steps"
        return f"after {cut} the best {study.seeds.keep} continue to the end and the others stop"
    if isinstance(design, OnlyDesign):
        return f"only the {design.only} seed changes from run to run"
    if isinstance(design, CrossedDesign):
        return f"{design.crossed.init} init seeds crossed with {design.crossed.order} order seeds"
    if study.head.init == "checkpoint":
        return f"{_of_kept_head(study, card)}; the batch order and the dropout masks change from run to run"
    return "the new head's weights, the batch order and the dropout masks all change from run to run"


def _of_kept_head(study: StudyConfig, card: DatasetCard) -> str:
    """What the init seed still draws where the head is the checkpoint's."""
    redrawn = [arm for arm, config in study.arms.items() if any(strategy.kind == "reinit" for strategy in config.strategies)]
    drawn = [*card.new_parts, *([f"the reinitialised layers of {grammar.listed(redrawn)}"] if redrawn else [])]
    only = f"the init seed draws only {grammar.listed(drawn)}" if drawn else "the init seed varies nothing"
    return f"every run starts from the head of the checkpoint, so {only}"


def _searched(arm: str, search: Any) -> str:
    space: Mapping[str, Any] = search.space
    size = f"{grammar.several(search.n_trials, 'trial')} with {grammar.several(search.n_seeds, 'seed')} each"
    return (
        f"A search of {size} chose {grammar.listed(space)} of {arm}, "
        "on the validation set alone and with seeds that no result below uses."
    )
