"""The Optuna report: one self-contained HTML page with the standard plots, plotly inlined, so it opens without a network."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import optuna
from markupsafe import Markup
from optuna import visualization as draw

from bertft_core.records import SweepResult
from bertft_core.records.store import write_atomically
from bertft_core.sweep.search import Search

TEMPLATES_DIR = Path(__file__).parent / "templates"
LONG_NUMBER = re.compile(r"\d+\.\d{5,}(?:e[+-]?\d+)?")


class Plot(NamedTuple):
    """A section of the page: what it shows, and from how many complete trials on it can be drawn."""

    title: str
    caption: str
    n_needed: int
    figure: Callable[[optuna.Study], Any]


def write_sweep_report(search: Search, result: SweepResult, path: Path) -> Path:
    """Write the page to `path` and return it; the same journal gives the same bytes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        trials = search.journal.trials()[: len(result.trials)]
        study = search.journal.in_memory(trials)
        study.set_metric_names([_score_name(result)])
        page = _page(search, result, study)
    write_atomically(path, page)
    return path


def _page(search: Search, result: SweepResult, study: optuna.Study) -> str:
    loader = jinja2.FileSystemLoader(TEMPLATES_DIR)
    templates = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    templates.filters["short"] = _short
    return templates.get_template("sweep.html.j2").render(
        name=search.journal.name,
        result=result,
        config=search.config,
        score_name=_score_name(result),
        better="higher" if search.direction == "maximize" else "lower",
        sections=_sections(_plots(list(search.config.space)), study, result),
    )


def _plots(settings: list[str]) -> list[Plot]:
    pair: list[str] = [name for name in ("learning_rate", "batch_size") if name in settings]
    pair = pair if len(pair) == 2 else settings[:2]
    contour = Plot(
        "Contour of " + " × ".join(name.replace("_", " ") for name in pair),
        "Score over two settings, interpolated between the complete trials (dots).",
        2,
        lambda study: draw.plot_contour(study, params=pair),
    )
    plots = [
        Plot("History", "Score of every complete trial, and the best so far.", 1, draw.plot_optimization_history),
        Plot(
            "Validation during training",
            "One line a trial, the mean of its seeds at each validation; pruned trials end early.",
            0,
            draw.plot_intermediate_values,
        ),
        Plot(
            "Importances",
            "Share of the difference between good and other trials that a setting explains (PED-ANOVA); few trials say little.",
            2,
            draw.plot_param_importances,
        ),
        Plot("Slice", "Score of each complete trial against each setting.", 1, draw.plot_slice),
        contour,
        Plot("Parallel coordinates", "One line a complete trial, through all its settings.", 1, draw.plot_parallel_coordinate),
        Plot("Timeline", "When each trial was asked and told; an interrupted one spans the pause.", 0, draw.plot_timeline),
    ]
    return plots if len(pair) == 2 else [plot for plot in plots if plot is not contour]


def _sections(plots: list[Plot], study: optuna.Study, result: SweepResult) -> list[dict[str, Any]]:
    n_complete = sum(trial.state == "complete" for trial in result.trials)
    sections: list[dict[str, Any]] = []
    for number, plot in enumerate(plots):
        section: dict[str, Any] = {"title": plot.title, "caption": plot.caption, "plot": None}
        if n_complete < plot.n_needed:
            section["missing"] = f"Not drawn: it needs {plot.n_needed} complete trials, and there is {n_complete}."
        else:
            has_plotly = any(earlier["plot"] for earlier in sections)
            section["plot"] = _html(plot.figure(study), f"plot-{number}", with_plotly=not has_plotly)
        sections.append(section)
    return sections


def _html(figure: Any, div_id: str, *, with_plotly: bool) -> Markup:
    for trace in figure.data:
        if isinstance(trace.text, tuple):
            trace.text = [LONG_NUMBER.sub(lambda number: _short(float(number[0])), text) for text in trace.text]
    figure.update_layout(template="plotly_white", title=None, margin={"t": 30})
    html = figure.to_html(full_html=False, include_plotlyjs=with_plotly, div_id=div_id, config={"displaylogo": False})
    return Markup(html)  # plotly escapes what it puts into its script


def _score_name(result: SweepResult) -> str:
    return f"mean best validation {result.metric}"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
