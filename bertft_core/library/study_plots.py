"""The figures of one study: `study.plot.scores()`, `.curves()` and `.comparison()`. matplotlib is loaded by the first one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from bertft_core.config import StudyConfig
from bertft_core.records import StudySummary

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

X_LABELS = {"epoch": "epoch", "step": "optimizer step"}


class Drawn(Protocol):
    """What figures are made of: a `Study`."""

    @property
    def config(self) -> StudyConfig: ...
    @property
    def summary(self) -> StudySummary: ...
    @property
    def scores(self) -> pd.DataFrame: ...
    @property
    def curves(self) -> pd.DataFrame: ...
    @property
    def comparison(self) -> pd.DataFrame: ...


class StudyPlots:
    """Each method returns a new matplotlib `Figure`, whose axes may be changed; `figure.savefig("x.pdf")` writes it."""

    def __init__(self, study: Drawn) -> None:
        self._study = study

    def scores(self, metric: str | None = None, split: str | None = None, checkpoint: str | None = None) -> Figure:
        """Every seed of every arm with mean and t-interval; by default the headline's metric, split and checkpoint.

        Examples:
            >>> figure = bertft.load_study("claims", home=home).plot.scores()
            >>> figure.axes[0].get_xlabel()
            'accuracy on test, best checkpoint'
        """
        from bertft_core.library import study_figures as figures

        summary, table = self._study.summary, self._study.scores
        place = {
            "metric": metric or summary.headline_metric,
            "split": split or summary.headline_split,
            "checkpoint": checkpoint or summary.headline_checkpoint,
        }
        for name, value in place.items():
            figures.refuse_unknown(name, value, list(dict.fromkeys(table[name])))
            table = table[table[name] == value]
        intervals = {
            arm.arm: (row.t_low, row.t_high)
            for arm in summary.arms
            for row in arm.metrics
            if row.collapsed_included and all(getattr(row, name) == value for name, value in place.items())
            if row.t_low is not None and row.t_high is not None
        }
        title = f"{place['metric']} on {place['split']}, {place['checkpoint']} checkpoint"
        return figures.scores(table, list(self._study.config.arms), intervals, title, place["metric"])

    def curves(self, metric: str | None = None, part: str = "validation") -> Figure:
        """The mean over seeds and the band from the lowest to the highest; by default the study's metric on validation.

        `part` is `validation`, over epochs, or `train` (`loss`, `learning_rate`, `grad_norm`), over steps.
        """
        from bertft_core.library import study_figures as figures

        table = self._study.curves
        figures.refuse_unknown("part", part, ["validation", "train"])
        table = table[table["part"] == part]
        chosen = metric or (self._study.config.metric if part == "validation" else "loss")
        figures.refuse_unknown("metric", chosen, list(dict.fromkeys(table["metric"])))
        x = "epoch" if part == "validation" else "step"
        labels = X_LABELS[x], f"{chosen}, {part}"
        return figures.curves(table[table["metric"] == chosen], list(self._study.config.arms), x, labels)

    def comparison(self, metric: str | None = None) -> Figure:
        """The difference of every pair of arms with its interval over seeds and examples."""
        from bertft_core.library import study_figures as figures

        table = self._study.comparison.dropna(subset=["low", "high"])
        chosen = metric or self._study.summary.headline_metric
        figures.refuse_unknown("metric", chosen, list(dict.fromkeys(table["metric"])))
        of_metric = table[table["metric"] == chosen]
        return figures.comparison(of_metric, f"difference of {chosen} on {of_metric['split'].iloc[0]}")
