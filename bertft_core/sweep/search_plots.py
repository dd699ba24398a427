"""Optuna's standard plots of a finished search, with the study's own names, whole trial numbers and readable axes."""

import re
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import optuna
from optuna import visualization as draw

from bertft_core.config.search_settings import SearchConfig
from bertft_core.config.search_space import Choices, Range
from bertft_core.sweep.trial_figures import history_figure, timeline_figure

LONG_NUMBER = re.compile(r"\d+\.\d{5,}(?:e[+-]?\d+)?")
MAX_TICKS = 12
GREY = "#b9c3d2"
OUTLINE = {"width": 1.5, "color": "#8a94a6"}
"""Of a dot that may be as white as the page."""
ENOUGH = 10
"""Complete trials from which on an effect of a setting is more than noise."""


class Plot(NamedTuple):
    """What it shows, from how many complete trials on it can be drawn, and the drawing (study, score's name → plotly figure)."""

    title: str
    caption: str
    n_needed: int
    figure: Callable[[optuna.Study, str], Any]


def plots_of(config: SearchConfig) -> list[Plot]:
    """The plots of a search, in the order of the page; the contour only where there are two settings to draw it over."""
    pair: list[str] = [name for name in ("learning_rate", "batch_size") if name in config.space]
    pair = pair if len(pair) == 2 else list(config.space)[:2]
    contour = Plot(
        "Contour of " + " × ".join(name.replace("_", " ") for name in pair),
        "Score over two settings, interpolated between the complete trials (dots).",
        ENOUGH,
        lambda study, score: draw.plot_contour(study, params=pair, target_name=score),
    )
    rank = Plot(
        "Rank",
        "Each complete trial at its settings; the colour is its rank among all trials.",
        2,
        lambda study, score: draw.plot_rank(study, params=pair, target_name=score).update_traces(marker={"line": OUTLINE}),
    )
    history = Plot(
        "History",
        "Score of every complete trial, and the best so far; a small dot is one seed. "
        "A pruned trial has the seeds that it trained, and no mean.",
        1,
        lambda study, score: history_figure(study, score, config.n_seeds, _whole(len(study.trials))),
    )
    settings = [IMPORTANCES, SLICE, *([contour] if len(pair) == 2 else [])]
    return [history, VALIDATION, *settings, rank, PARALLEL, EDF, TIMELINE]


def has_enough(plot: Plot, study: optuna.Study) -> bool:
    """Whether there are as many complete trials as the plot takes."""
    return len(study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.COMPLETE])) >= plot.n_needed


def figure_of(plot: Plot, study: optuna.Study, score: str, space: dict[str, Range | Choices]) -> Any | None:
    """The figure in the page's style; None when the trials are too alike to draw it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of trials that are too alike, which the page says in its own words
        figure = plot.figure(study, score)
    if not any(trace.to_plotly_json().keys() & {"x", "y", "dimensions"} for trace in figure.data):
        return None
    for trace in figure.data:
        if isinstance(trace.text, tuple):
            trace.text = [LONG_NUMBER.sub(lambda number: short(float(number[0])), text) for text in trace.text]
    figure.for_each_xaxis(lambda axis: _mark(axis, space))
    figure.for_each_yaxis(lambda axis: _mark(axis, space))
    clear = "rgba(0,0,0,0)"  # the page's own background; the page's script paints ink and grid for its scheme
    background = {"paper_bgcolor": clear} | ({} if figure.layout.plot_bgcolor == GREY else {"plot_bgcolor": clear})
    above = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}  # beside the plot it takes half of a phone's width
    return figure.update_layout(template="plotly_white", title=None, margin={"t": 30}, legend=above, **background)


def short(value: Any) -> str:
    """A setting's value as people write it: four significant digits."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _mark(axis: Any, space: dict[str, Range | Choices]) -> None:
    """Write ticks as 1e-4 instead of 100µ; mark the listed values of a setting instead of numbers between them."""
    axis.update(exponentformat="e")
    values = space.get(axis.title.text or "")
    if isinstance(values, Choices) and axis.type != "category":
        axis.update(tickmode="array", tickvals=values.choices)


def _whole(n: int) -> dict[str, int]:
    """Ticks at whole numbers below n."""
    return {"tick0": 0, "dtick": -(-n // MAX_TICKS) or 1}


def _validation(study: optuna.Study, score: str) -> Any:
    figure = draw.plot_intermediate_values(study)
    n_validations = max((len(trial.intermediate_values) for trial in study.trials), default=0)
    figure.update_xaxes(_whole(n_validations), title="validation, counted from 0")
    return figure.update_yaxes(title=score.removeprefix("mean best "))


def _slice(study: optuna.Study, score: str) -> Any:
    figure = draw.plot_slice(study, target_name=score)
    colorbar = _whole(len(study.trials)) | {"title": {"text": "trial"}}
    return figure.update_traces(marker={"colorbar": colorbar})


def _parallel(study: optuna.Study, score: str) -> Any:
    figure = draw.plot_parallel_coordinate(study, target_name=score)
    figure.for_each_trace(
        lambda trace: trace.update(line={"width": 2.5}, opacity=0.9), selector=lambda trace: trace.mode == "lines"
    )
    return figure.update_layout(plot_bgcolor=GREY)  # the lines of the worst trials are all but white


def _distribution(study: optuna.Study, score: str) -> Any:
    figure = draw.plot_edf(study, target_name=score).update_yaxes(title="share of trials").update_layout(showlegend=False)
    if all(len(set(trace.x)) < 2 for trace in figure.data):  # one score alone is a line without length
        figure.data = ()
    return figure


VALIDATION = Plot(
    "Validation during training",
    "One line a trial, the mean of its seeds at each validation; pruned trials may end early.",
    0,
    _validation,
)
IMPORTANCES = Plot(
    "Importances",
    "How much of what sets good trials apart each setting explains (PED-ANOVA, complete trials); few trials say little.",
    ENOUGH,
    lambda study, score: (
        draw.plot_param_importances(study, target_name=score).update_xaxes(title="importance").update_yaxes(title="setting")
    ),
)
SLICE = Plot("Slice", "Score of each complete trial against each setting.", ENOUGH, _slice)
PARALLEL = Plot("Parallel coordinates", "One line a complete trial, through all its settings.", 2, _parallel)
EDF = Plot(
    "Empirical distribution",
    "Which share of the complete trials has at most this score: a steep rise is where most settings end.",
    2,
    _distribution,
)
TIMELINE = Plot(
    "Timeline",
    "When each seed of a trial was trained. Trials of a batch are trained side by side, one seed of each after the other.",
    0,
    lambda study, _: timeline_figure(study).update_yaxes(_whole(len(study.trials)), title="trial"),
)
