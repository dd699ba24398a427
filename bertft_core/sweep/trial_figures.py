"""Figures of a search that Optuna draws without seeds: every seed of every trial, and when each was trained."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import optuna
import plotly.graph_objects as go
from optuna import visualization as draw
from optuna.trial import FrozenTrial, TrialState

from bertft_core.sweep.trial_journal import NAMES, runs_of, scores_of

COLORS = {TrialState.COMPLETE: "#2b6cb0", TrialState.PRUNED: "#dd8a1d", TrialState.FAIL: "#c53030"}
SEED = {"size": 5, "color": "#8a94a6"}
BAR = 0.8
"""Height of a trial's bar; by itself plotly makes those of trials that are far apart cover the ones between."""


def history_figure(study: optuna.Study, score: str, n_seeds: int, ticks: dict[str, int]) -> Any:
    """Optuna's history with the seeds of each trial as small dots, those of a pruned one hollow and apart from the means."""
    figure = draw.plot_optimization_history(study, target_name=score)
    names = {"Best Value": "best so far"}
    figure.for_each_trace(lambda trace: trace.update(name=names.get(trace.name, f"trial: mean of {seeds_of(n_seeds, n_seeds)}")))
    hollow = {"size": 8, "symbol": "circle-open", "color": COLORS[TrialState.PRUNED], "line": {"width": 1.5}}
    for name, states, marker in (
        ("one seed", (TrialState.COMPLETE,), SEED),
        ("one seed of a trial without a mean", (TrialState.PRUNED, TrialState.FAIL), hollow),
    ):
        points = list(_points(study, states, n_seeds))
        if points:
            xs, ys, texts = zip(*points, strict=True)
            figure.add_scatter(x=xs, y=ys, text=texts, name=name, mode="markers", marker=marker, hovertemplate="%{text}")
    return figure.update_xaxes(ticks, title="trial")


def seeds_of(n: int, n_seeds: int) -> str:
    """'1 of 2 seeds', or '2 seeds' where they are all."""
    count = str(n) if n == n_seeds else f"{n} of {n_seeds}"
    return f"{count} {'seed' if n_seeds == 1 else 'seeds'}"


def _points(study: optuna.Study, states: tuple[TrialState, ...], n_seeds: int) -> Iterator[tuple[int, float, str]]:
    for trial in study.get_trials(deepcopy=False, states=states):
        scores = scores_of(trial)
        for value in scores:
            yield (
                trial.number,
                value,
                f"trial {trial.number}, {NAMES[trial.state]}, {seeds_of(len(scores), n_seeds)}: {value:.4f}",
            )


def timeline_figure(study: optuna.Study) -> Any:
    """A bar for each seed of each trial; Optuna's own bars, of whole batches, where an older version noted no times."""
    trials = study.get_trials(deepcopy=False)
    if not all(runs_of(trial) for trial in trials):
        return draw.plot_timeline(study).update_xaxes(title="time")
    figure = go.Figure()
    for state, color in COLORS.items():
        bars = [bar for trial in trials if trial.state == state for bar in _bars(trial)]
        if bars:
            ys, begins, widths, texts = zip(*bars, strict=True)
            marker = {"color": color, "line": {"width": 1, "color": "white"}}
            figure.add_bar(
                y=ys, base=begins, x=widths, width=BAR, text=texts, name=NAMES[state], marker=marker, orientation="h",
                hovertemplate="%{text}", textposition="none",
            )  # fmt: skip
    return figure.update_layout(barmode="overlay", showlegend=True).update_xaxes(type="date", title="time (UTC)")


def _bars(trial: FrozenTrial) -> Iterator[tuple[int, str, float, str]]:
    for place, run in enumerate(runs_of(trial), start=1):
        begin = datetime.fromisoformat(run.started_at).replace(tzinfo=None).isoformat()
        yield trial.number, begin, 1000 * run.seconds, f"trial {trial.number}, seed {place}: {run.seconds:.1f} s"
