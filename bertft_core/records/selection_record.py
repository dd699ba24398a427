"""What was looked at to choose, and on which split: the honest size of a study."""

from __future__ import annotations

from bertft_core.config.base import Frozen


class SelectionChoice(Frozen):
    """Something that was chosen by scores."""

    what: str
    """Such as 'setting', 'checkpoint', 'seeds that go on'."""
    arm: str | None
    """None for a choice over all arms together."""
    split: str
    """The scores that decided were of this one."""
    n_looked_at: int
    """Scores that were compared."""
    sentence: str


class SplitUse(Frozen):
    """How often models were evaluated on one split."""

    split: str
    n_evaluations: int
    """Sets of weights that were scored on it, while training and at the end."""
    n_choices: int
    """Kinds of choices that were made by it."""


class SelectionLedger(Frozen):
    """Everything that was tried, and what decided."""

    n_settings: int
    """Arms, and trials of searches."""
    n_trials: int
    n_search_runs: int
    n_report_runs: int
    """Repeats included."""
    n_other_settings: int = 0
    """Further settings whose runs lie in the study's folder: tried earlier, and maybe chosen among by eye."""
    n_other_runs: int = 0
    splits: tuple[SplitUse, ...]
    choices: tuple[SelectionChoice, ...]
    sentences: tuple[str, ...]
