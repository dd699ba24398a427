"""The figures of one study: those of its report, as wide as a notebook. matplotlib is loaded by the first one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from bertft_core.config import StudyConfig
from bertft_core.config.errors import UserError, did_you_mean
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
        from bertft_core.metrics.bounds import bounds_of
        from bertft_core.report.drawings.look import NOTEBOOK
        from bertft_core.report.drawings.seed_points import seed_plot
        from bertft_core.report.figures import arm_rows

        summary, table = self._study.summary, self._study.scores
        place = {
            "metric": metric or summary.headline_metric,
            "split": split or summary.headline_split,
            "checkpoint": checkpoint or summary.headline_checkpoint,
        }
        for name, value in place.items():
            refuse_unknown(name, value, list(dict.fromkeys(table[name])))
            table = table[table[name] == value]
        title = f"{place['metric']} on {place['split']}, {place['checkpoint']} checkpoint"
        return seed_plot(arm_rows(summary, **place), title, None, bounds_of(place["metric"]), look=NOTEBOOK)

    def curves(self, metric: str | None = None, part: str = "validation") -> Figure:
        """The mean over seeds and the band from the lowest to the highest; by default the study's metric on validation.

        `part` is `validation`, over epochs, or `train` (`loss`, `learning_rate`, `grad_norm`), over steps.
        """
        from bertft_core.report.curve_bands import ArmCurves, curves_plot
        from bertft_core.report.drawings.look import NOTEBOOK

        table = self._study.curves
        refuse_unknown("part", part, ["validation", "train"])
        table = table[table["part"] == part]
        chosen = metric or (self._study.config.metric if part == "validation" else "loss")
        refuse_unknown("metric", chosen, list(dict.fromkeys(table["metric"])))
        table = table[table["metric"] == chosen]
        x = "epoch" if part == "validation" else "step"
        labels = X_LABELS[x], f"{chosen}, {part}"
        of_arms = [
            ArmCurves(arm, place, [list(zip(run[x], run["value"], strict=True)) for _, run in of_arm.groupby("seed")])
            for place, arm in enumerate(self._study.config.arms)
            if len(of_arm := table[table["arm"] == arm])
        ]
        return curves_plot(of_arms, labels).figure(NOTEBOOK)

    def comparison(self, metric: str | None = None) -> Figure:
        """The difference of every pair of arms with its interval over seeds and examples."""
        from bertft_core.report import comparison_section
        from bertft_core.report.drawings.look import NOTEBOOK, of_place

        summary = self._study.summary
        pairs = () if summary.comparison is None else summary.comparison.pairs
        chosen = metric or summary.headline_metric
        refuse_unknown("metric", chosen, list(dict.fromkeys(pair.metric for pair in pairs if pair.interval is not None)))
        colours = {arm.arm: of_place(place) for place, arm in enumerate(summary.arms)}
        drawn = [pair for pair in pairs if pair.metric == chosen and pair.interval is not None]
        return comparison_section.forest(drawn, colours, detailed=False).figure(NOTEBOOK)


def refuse_unknown(what: str, name: str, known: Sequence[str]) -> None:
    """Raise `UserError` for a name that is none of the known ones."""
    if name not in known:
        raise UserError(
            f"the study has no such {what}",
            code="study.nothing-named",
            found=name,
            expected=f"one of {', '.join(known)}" if known else "a study that has any",
            hint=did_you_mean(name, known) or "leave it out for the headline's",
        )
