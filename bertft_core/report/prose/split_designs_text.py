"""Sentences about runs on splits of the same examples: how they are drawn, and what their intervals allow for."""

from bertft_core.config.split_designs import Folds, Resamples, SplitsOfDesign
from bertft_core.records import DatasetCard, StudySummary
from bertft_core.report.formatting.numbers import percent
from bertft_core.report.prose import grammar

TEST = (
    "Differences between arms are tested over the splits with the corrected resampled t-test (Nadeau & Bengio 2003), which also "
    "gives their intervals"
)
F_TEST = "; for two folds five times the p-value is the larger one of that and of Alpaydın's (1999) combined 5×2cv F test"


def drawn(splits: SplitsOfDesign) -> str:
    """How the splits are drawn: '5 folds, divided anew 2 times'."""
    if isinstance(splits, Folds):
        return f"{splits.folds} folds" + (
            f", divided anew {grammar.several(splits.repeats, 'time')}" if splits.repeats > 1 else ""
        )
    if isinstance(splits, Resamples):
        return f"{splits.resamples} random splits with {percent(splits.test_ratio)} of the examples to test"
    return f"{splits.bootstrap} bootstrap samples, tested on the examples that are not in them"


def moving(splits: SplitsOfDesign, n_seeds: int) -> str:
    """What differs from run to run, in a clause."""
    seeds = "a seed" if n_seeds == 1 else grammar.several(n_seeds, "seed")
    return f"every run has its own split of the examples ({drawn(splits)}), with {seeds} of its own on each split"


def of_card(card: DatasetCard) -> str:
    """What the sizes of a card are where every run has its own split."""
    return f"the first of {len(card.draws)} splits of {card.n_drawn_from or 0:,} examples, each with its own validation part"


def of_summary(summary: StudySummary) -> str | None:
    """How the intervals of runs on splits of the same examples were made, in a sentence; None for any other design."""
    splits = {seed.split.split for arm in summary.arms for seed in arm.seeds if seed.split is not None}
    if not splits:
        return None
    return (
        f"The runs of each arm are on {grammar.several(len(splits), 'split')} of the same examples and are not an independent "
        "sample: t-intervals have Nadeau & Bengio's (2003) variance over splits, which allows for the examples that the splits "
        "share, and there is no bootstrap."
    )
