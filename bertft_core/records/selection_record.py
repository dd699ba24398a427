"""What was chosen by scores, and on which split: how large a study really was."""

from typing import Literal

from bertft_core.config.base import Frozen

ChoiceKind = Literal[
    "setting",
    "number of seeds",
    "checkpoint",
    "early stopping",
    "null threshold",
    "seeds that go on",
    "kept model",
    "temperature",
]


class SelectionChoice(Frozen):
    """Something that was chosen by scores."""

    what: ChoiceKind
    arm: str | None
    """None for a choice over all arms together."""
    split: str
    """The scores that decided were computed on this one."""
    n_scores: int
    """Scores that were compared."""
    n: int | None = None
    """Runs that were stopped early, or seeds that went on."""
    of: int | None = None
    """Out of so many runs, or seeds that started."""


class SplitUse(Frozen):
    """How often models were evaluated on one split."""

    split: str
    n_evaluations: int
    """Sets of weights that were scored on it, during training and at the end."""
    n_choices: int
    """Kinds of choices that were made by it."""


class ModelSelection(Frozen):
    """Everything that was tried, and what decided."""

    n_settings: int
    """Trials of searches, and arms without a search: the setting of a searched arm is that of a trial."""
    n_trials: int
    n_search_runs: int
    n_report_runs: int
    """Repeats included."""
    n_other_settings: int = 0
    """Further settings whose runs are in the study's folder: tried earlier, and possibly chosen among by eye."""
    n_other_runs: int = 0
    splits: tuple[SplitUse, ...]
    choices: tuple[SelectionChoice, ...]
