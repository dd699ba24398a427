"""The Optuna report: one self-contained HTML page with the standard plots, plotly inlined, so it opens without a network."""

import copy
from pathlib import Path
from typing import Any

import jinja2
import optuna
from markupsafe import Markup
from optuna.trial import FrozenTrial

from bertft_core.control_characters import shown
from bertft_core.records import SweepResult, TrialRow
from bertft_core.storage.study_dir import write_atomically
from bertft_core.sweep.arm_search import Search
from bertft_core.sweep.search_plots import figure_of, has_enough, plots_of, short
from bertft_core.sweep.trial_figures import seeds_of
from bertft_core.sweep.trial_journal import runs_of

TEMPLATES_DIR = Path(__file__).parent / "templates"


def write_sweep_report(search: Search, result: SweepResult, path: Path, saved: str = "") -> Path:
    """Write the page to `path` and return it; the same journal gives the same bytes. `saved` says what pruning has saved."""
    loader = jinja2.FileSystemLoader(TEMPLATES_DIR)
    templates = jinja2.Environment(
        loader=loader, autoescape=True, finalize=shown, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    templates.filters["short"] = short
    trials = search.journal.trials()[: len(result.trials)]
    study = search.journal.in_memory([_hover(trial) for trial in trials])
    sections, too_few = _sections(search, study, f"mean best validation {result.metric}")
    seconds = {trial.number: sum(run.seconds for run in runs_of(trial)) for trial in trials if runs_of(trial)}
    page = templates.get_template("sweep.html.j2").render(
        name=search.journal.name,
        result=result,
        saved=saved,
        config=search.config,
        score_name=f"mean best validation {result.metric}",
        groups=_groups(result),
        seconds=seconds,
        seeds_of=seeds_of,
        better="higher" if search.direction == "maximize" else "lower",
        sections=sections,
        too_few=too_few,
    )
    write_atomically(path, page)
    return path


def _hover(trial: FrozenTrial) -> FrozenTrial:
    """The trial without the digests of its runs, which Optuna would write into the box over every point."""
    bare = copy.copy(trial)
    bare.user_attrs = {name: trial.user_attrs[name] for name in ("scores", "runs") if name in trial.user_attrs}
    return bare


def _groups(result: SweepResult) -> list[list[TrialRow]]:
    """The trials with a mean over all seeds, then those without; no empty group."""
    complete = [trial for trial in result.trials if trial.state == "complete"]
    return [group for group in (complete, [trial for trial in result.trials if trial.state != "complete"]) if group]


def _sections(search: Search, study: optuna.Study, score: str) -> tuple[list[dict[str, Any]], dict[int, list[str]]]:
    """The plots, and by the complete trials that they take, those that there are too few trials for."""
    sections: list[dict[str, Any]] = []
    too_few: dict[int, list[str]] = {}
    for number, plot in enumerate(plots_of(search.config)):
        if not has_enough(plot, study):
            too_few.setdefault(plot.n_needed, []).append(plot.title)
            continue
        figure = figure_of(plot, study, score, search.config.space)
        has_plotly = any(section["html"] for section in sections)
        html = None if figure is None else _html(figure, f"plot-{number}", with_plotly=not has_plotly)
        sections.append({"title": plot.title, "caption": plot.caption, "html": html})
    return sections, too_few


def _html(figure: Any, div_id: str, *, with_plotly: bool) -> Markup:
    html = figure.to_html(full_html=False, include_plotlyjs=with_plotly, div_id=div_id, config={"displaylogo": False})
    return Markup(html)  # plotly escapes what it puts into its script
