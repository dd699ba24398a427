"""The Optuna report: one self-contained HTML page with the standard plots, plotly inlined, so it opens without a network."""

from __future__ import annotations

import html
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from optuna import visualization

from bertft_core.records import SweepResult
from bertft_core.records.store import write_atomically
from bertft_core.sweep.search import Search

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:1000px;margin:2rem auto;padding:0 1rem;color:#1d2433;background:#fff}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}td,th{padding:.25rem .8rem;border-bottom:1px solid #d8dde6;text-align:left}
.scroll{overflow-x:auto}tr.best{font-weight:600;background:#eaf3ea}h2{margin-top:2.5rem}.note{color:#5b6577}
"""


def write_sweep_report(search: Search, result: SweepResult, path: Path) -> Path:
    """Write the page to `path` and return it."""
    parts = [_head(search, result), _table(search, result)]
    plotly_js: bool = True
    for title, draw in _plots(search):
        parts.append(f"<h2>{title}</h2>")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                figure = draw(search.optuna_study)
        except (ValueError, RuntimeError, ZeroDivisionError) as error:
            parts.append(f'<p class="note">Not drawn: {html.escape(str(error))}</p>')
            continue
        figure.update_layout(template="plotly_white", title=None, margin={"t": 30})
        parts.append(figure.to_html(full_html=False, include_plotlyjs=plotly_js, config={"displaylogo": False}))
        plotly_js = False
    write_atomically(path, "\n".join([*parts, "</body></html>\n"]))
    return path


def _plots(search: Search) -> list[tuple[str, Callable[[optuna.Study], Any]]]:
    names = list(search.config.space)
    pair: list[str] = [name for name in ("learning_rate", "batch_size") if name in names]
    pair = pair if len(pair) == 2 else names[:2]
    plots: list[tuple[str, Callable[[optuna.Study], Any]]] = [
        ("History", visualization.plot_optimization_history),
        ("Validation during training", visualization.plot_intermediate_values),
        ("Importances", visualization.plot_param_importances),
        ("Slice", visualization.plot_slice),
        ("Parallel coordinates", visualization.plot_parallel_coordinate),
        ("Timeline", visualization.plot_timeline),
    ]
    if len(pair) == 2:
        title = " × ".join(name.replace("_", " ") for name in pair)
        plots.insert(4, (f"Contour of {title}", lambda study: visualization.plot_contour(study, params=pair)))
    return plots


def _head(search: Search, result: SweepResult) -> str:
    name = html.escape(search.optuna_study.study_name)
    chosen = html.escape(", ".join(f"{key} = {_short(value)}" for key, value in result.chosen.items()))
    config = search.config
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Search of {name}</title><style>{STYLE}</style></head><body>'
        f"<h1>Search of {name}</h1>"
        f"<p>Chosen: <strong>{chosen}</strong> (trial {result.best_trial}, mean best validation {result.metric} {result.best_score:.4f}).</p>"
        f'<p class="note">{len(result.trials)} of {result.n_planned} trials, {config.n_seeds} search seeds each, sampler {config.sampler}, '
        f"pruner {config.pruner}. A trial's score is the mean over its seeds of the best validation {result.metric}; "
        f"search seeds are never report seeds.</p>"
    )


def _table(search: Search, result: SweepResult) -> str:
    names = list(search.config.space)
    header = "".join(f"<th>{html.escape(name)}</th>" for name in ["trial", "state", *names, "score", "per seed"])
    rows = []
    for trial in result.trials:
        cells = [trial.number, trial.state, *(_short(trial.params.get(name, "")) for name in names)]
        cells += ["" if trial.score is None else f"{trial.score:.4f}", ", ".join(f"{score:.4f}" for score in trial.scores)]
        best = ' class="best"' if trial.number == result.best_trial else ""
        rows.append(f"<tr{best}>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in cells) + "</tr>")
    return (
        f'<h2>Trials</h2><div class="scroll"><table><thead><tr>{header}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
