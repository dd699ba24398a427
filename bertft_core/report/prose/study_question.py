"""What a study asks: its arms, its data, and what differs from run to run."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from bertft_core.config.seed_settings import CrossedDesign, OnlyDesign
from bertft_core.config.strategy_settings import AnyStrategy, Replay
from bertft_core.config.study_config import StudyConfig
from bertft_core.records import DatasetCard, StudySummary
from bertft_core.report.formatting import numbers
from bertft_core.report.prose import grammar, split_designs_text

MOST_LABELS = 12


def strategy(config: AnyStrategy) -> str:
    """'llrd (decay 0.9)': the kind of a strategy and its settings."""
    given = config.model_dump(exclude={"kind"}, exclude_none=True)
    if isinstance(config, Replay):
        given["text"] = Path(config.text).name  # the folder is of no interest
    settings = ", ".join(f"{name} {numbers.setting(value)}" for name, value in given.items())
    return config.kind.replace("_", " ") + (f" ({settings})" if settings else "")


def question(study: StudyConfig, card: DatasetCard, summary: StudySummary) -> str:
    """What was asked, in one paragraph."""
    arms = list(study.arms)
    sizes = sizes_of(card)
    compared = (
        f"compares the arms {grammar.listed(arms)}; {arms[0]} is the baseline" if len(arms) > 1 else f"looks at the arm {arms[0]}"
    )
    n = summary.arms[0].n_planned
    times = "once" if n == 1 else f"{n} times"
    parts = [
        f"The study {compared}.",
        f"The data set {card.name} has {sizes} examples{_labelled(card)}.",
        f"{_starts(study, card)} and is trained {times}: {moving(study, card)}.",
        *(_searched(arm, config.search) for arm, config in study.arms.items() if config.search is not None),
        f"The headline is {summary.headline_metric} on {summary.headline_split}, with the weights of the "
        + ("best validation score." if summary.headline_checkpoint == "best" else "last step."),
    ]
    return " ".join(parts)


def sizes_of(card: DatasetCard) -> str:
    """How many examples each split has; in a split design those that the splits divide, and the sets that all runs share."""
    own = ("train", "validation", "test") if card.draws else ()
    sizes = [f"{split.n_examples:,} {name}" for name, split in card.splits.items() if name not in own]
    return grammar.listed([*([f"{card.n_drawn_from:,} train, validation and test"] if own else []), *sizes])


def _starts(study: StudyConfig, card: DatasetCard) -> str:
    """What every arm starts from."""
    arms_of = arms_by(study.arms, lambda arm: card.of_arm(arm).encoder.checkpoint)
    if len(arms_of) == 1:
        return f"Each arm starts from {next(iter(arms_of))}"
    return f"Each arm starts from an encoder ({'; '.join(f'{name}: {grammar.listed(arms)}' for name, arms in arms_of.items())})"


def arms_by(arms: Iterable[str], words_of: Callable[[str], str]) -> dict[str, list[str]]:
    """Words → the arms that they are true of."""
    found: dict[str, list[str]] = {}
    for arm in arms:
        found.setdefault(words_of(arm), []).append(arm)
    return found


def _labelled(card: DatasetCard) -> str:
    if not card.labels:
        return ""
    shown = (
        [*card.labels[:MOST_LABELS], f"{len(card.labels) - MOST_LABELS} more"] if len(card.labels) > MOST_LABELS else card.labels
    )
    return f" with the labels {grammar.listed(shown)}"


def moving(study: StudyConfig, card: DatasetCard) -> str:
    """What differs from run to run, in a clause."""
    subsets = any(arm.train_examples is not None and arm.train_subsets == "per_seed" for arm in study.arms.values())
    also = ", and so do the examples of each subset of the training set" if subsets and not study.is_selected else ""
    return _moving_seeds(study, card) + also


def _moving_seeds(study: StudyConfig, card: DatasetCard) -> str:
    design = study.seeds.design
    if study.seeds.start is not None and study.seeds.stop_at is not None:
        cut = f"{100 * study.seeds.stop_at:g} % of the steps"
        return f"after {cut} the best {study.seeds.keep} continue to the end and the others stop"
    if isinstance(design, OnlyDesign):
        return f"only the {design.only} seed changes from run to run"
    if study.seeds.splits is not None:
        return split_designs_text.moving(study.seeds.splits, study.seeds.n)
    if isinstance(design, CrossedDesign):
        each = f", each pair with {design.crossed.replicates} dropout seeds" if design.crossed.replicates > 1 else ""
        return f"{design.crossed.init} init seeds crossed with {design.crossed.order} order seeds{each}"
    kept = [arm for arm in study.arms if study.of_arm(arm).head.init != "seed"]
    if len(kept) == len(study.arms):
        start = _of_kept_head(study.of_arm(kept[0]), card.of_arm(kept[0]))
        return f"{start}; the batch order and the dropout masks change from run to run"
    but = f" (but of {grammar.listed(kept)} only what the checkpoint lacks)" if kept else ""
    return f"the new head's weights{but}, the batch order and the dropout masks all change from run to run"


def _of_kept_head(study: StudyConfig, card: DatasetCard) -> str:
    """What the init seed still draws where the head is the checkpoint's."""
    redrawn = [arm for arm, config in study.arms.items() if any(strategy.kind == "reinit" for strategy in config.strategies)]
    drawn = [*card.new_parts, *([f"the reinitialised layers of {grammar.listed(redrawn)}"] if redrawn else [])]
    only = f"the init seed draws only {grammar.listed(drawn)}" if drawn else "the init seed varies nothing"
    start = "the head of the checkpoint" if study.head.init == "checkpoint" else "what the checkpoint has"
    return f"every run starts from {start}, so {only}"


def _searched(arm: str, search: Any) -> str:
    space: Mapping[str, Any] = search.space
    size = f"{grammar.several(search.n_trials, 'trial')} with {grammar.several(search.n_seeds, 'seed')} each"
    return (
        f"A search of {size} chose {grammar.listed(space)} of {arm}, "
        "on the validation set alone and with seeds that no result below uses."
    )
