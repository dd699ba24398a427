"""The sections on sources of variance, flipping examples, seeds needed, and budgets."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from bertft_core.evaluation.insights.detectable_effect import alpha_of
from bertft_core.records.insight_records import (
    Agreement,
    BudgetView,
    Component,
    FlippingExample,
    Insights,
    SeedsNeeded,
    StartManyView,
    VarianceComponents,
)
from bertft_core.report.drawings.bars import Bar, BarGroup, bar_plot
from bertft_core.report.drawings.lines import Line, Reference, line_plot
from bertft_core.report.drawings.look import of_place
from bertft_core.report.drawings.picture import Picture, picture
from bertft_core.report.formatting import numbers, p_values
from bertft_core.report.prose import budgets_text, grammar, picture_text, power_text, seed_agreement_text, variance_text
from bertft_core.statistics.mean_intervals import LEVEL
from bertft_core.statistics.seeds_needed import power

Section = dict[str, Any]
N_COSTS = 6
"""Numbers of hours below a budget's axis."""
SURE, MOST_SEEDS_AT_LEAST = 0.999, 12
"""A curve of power ends where it is so high, and not before so many seeds."""
NAMES = {
    "init": "initial head weights",
    "order": "batch order",
    "dropout": "dropout masks",
    "interaction": "init × order",
    "residual": "everything else",
}


def section(found: Insights, arms: Sequence[str]) -> Section:
    """What the template lays out; a part without data is empty. `arms` in the order of the study, for their colours."""
    css = {arm: of_place(i) for i, arm in enumerate(arms)}

    def said(clauses: Iterable[str]) -> list[str]:
        return [grammar.said(clause, arms) for clause in clauses]

    return {
        "said": lambda clause: grammar.said(clause, arms),
        "pictures": pictures(found, arms),
        "variance": said(map(variance_text.components, found.variance)),
        "variance_refused": said(map(variance_text.refused, found.variance_refused)),
        "components": [_component(v.arm, c, css) for v in found.variance for c in v.components],
        "method": grammar.as_sentence(variance_text.METHOD),
        "agreement": found.agreement,
        "agreement_said": said(map(seed_agreement_text.agreement, found.agreement)),
        "agreement_refused": said(map(seed_agreement_text.refused, found.agreement_refused)),
        "agreement_rows": [_agreement(a, css) for a in found.agreement],
        "flipping": [
            {"arm": a.arm, "kind": a.kind, "unit": a.unit, "rows": _flipping(a)} for a in found.agreement if a.most_flipping
        ],
        "seeds_needed": said(map(power_text.seeds_needed, found.seeds_needed)),
        "level": _percent(found.seeds_needed),
        "budgets": said(map(budgets_text.budget, found.budgets)),
        "start_many": said(map(budgets_text.start_many, found.start_many)),
        "schedules": [_schedules(view) for view in found.start_many if _pays(view)],
    }


def pictures(found: Insights, arms: Sequence[str]) -> dict[str, Picture]:
    """Name of the file → picture; what has nothing to show is left out."""
    place = {arm: i for i, arm in enumerate(arms)}
    drawn: dict[str, Picture] = {}
    varying = [variance for variance in found.variance if any(c.variance > 0 for c in variance.components)]
    if varying:
        drawn["variance"] = _variance(varying, place)
    own = [needed for needed in found.seeds_needed if needed.baseline is None and needed.curve]
    paired = [needed for needed in found.seeds_needed if needed.baseline is not None and needed.curve]
    if own:
        label = f"half-width of the {_percent(own)} interval, {own[0].metric}"
        drawn["seeds_needed"] = _seeds_needed(own, place, "half_width", label)
    if paired:
        drawn["seeds_needed_differences"] = _seeds_needed(
            paired, place, "detectable", f"smallest detectable difference, 80 % power, {paired[0].metric}"
        )
    powers = [needed for needed in paired if needed.sd > 0 and needed.mean != 0 and not needed.needs_examples]
    if powers:
        drawn["seeds_needed_power"] = _power(powers, place)
    for source in ("trials", "seeds"):
        views = [view for view in found.budgets if view.source == source and view.points]
        if views:
            drawn[f"budget_{source}"] = _budget(views, place)
    for view in found.start_many:
        if _pays(view):
            drawn[f"start_many_{view.arm}"] = _start_many(view)
    return drawn


def _variance(found: Sequence[VarianceComponents], place: dict[str, int]) -> Picture:
    """Square roots of the variances, so that they can be read in the unit of the scores."""
    groups = []
    for variance in found:
        bars = [
            Bar(NAMES.get(c.source, c.source), math.sqrt(c.variance), _root(c.low), _root(c.high), _bar_note(c))
            for c in variance.components
        ]
        groups.append(BarGroup(variance.arm, of_place(place.get(variance.arm, 0)), bars))
    first = found[0]
    return picture(bar_plot, groups, f"standard deviation of {first.metric} on {first.split} by source")


def _root(variance: float | None) -> float | None:
    return None if variance is None else math.sqrt(max(0.0, variance))


def _bar_note(c: Component) -> str:
    share = "" if c.share is None else f" ({100 * c.share:.0f} % of the variance)"
    return f"{math.sqrt(c.variance):.4f}{share}"


def _component(arm: str, c: Component, css: dict[str, str]) -> Section:
    return {
        "arm": arm,
        "css": css.get(arm, ""),
        "source": NAMES.get(c.source, c.source),
        "sd": f"{math.sqrt(c.variance):.4f}",
        "ends": numbers.ABSENT if c.low is None or c.high is None else f"{_root(c.low):.4f} to {_root(c.high):.4f}",
        "share": numbers.ABSENT if c.share is None else f"{100 * c.share:.0f} %",
        "raw": numbers.setting(c.raw).replace("-", "−"),
        "f": numbers.ABSENT if c.f is None else f"{c.f:.2f}",
        "f_p": p_values.p_value(c.f_p),
        "range": numbers.score(c.range),
        "range_p": p_values.p_value(c.range_p),
    }


def _agreement(a: Agreement, css: dict[str, str]) -> Section:
    def number(value: float | None) -> str:
        return numbers.ABSENT if value is None else f"{value:.3f}".replace("-", "−")

    units = f"{a.n_units:,}"
    return {
        "arm": a.arm,
        "css": css.get(a.arm, ""),
        "n_seeds": a.n_seeds,
        "units": units,
        "kappa": number(a.fleiss_kappa),
        "disagreement": numbers.ABSENT if a.disagreement is None else f"{100 * a.disagreement:.1f} %",
        "jsd": number(a.jensen_shannon),
        "sd": number(a.mean_sd),
        "unanimous": numbers.ABSENT if a.n_unanimous is None else f"{a.n_unanimous:,}",
        "flipping": numbers.ABSENT if a.n_flipping is None else f"{a.n_flipping:,}",
    }


def _flipping(a: Agreement) -> list[Section]:
    return [
        {
            "where": example.example_id if example.part is None else f"{example.example_id}, {example.part}",
            "text": example.text or numbers.ABSENT,
            "gold": example.gold,
            "answers": _answers(example, a.kind),
            "right": numbers.ABSENT if example.n_right is None else f"{example.n_right} of {a.n_seeds}",
        }
        for example in a.most_flipping
    ]


def _answers(example: FlippingExample, kind: str) -> str:
    if kind == "regression":
        return ", ".join(f"{name} {numbers.setting(value)}" for name, value in example.answers.items())
    return ", ".join(f"{answer or '(none)'} × {n}" for answer, n in example.answers.items())


def _seeds_needed(found: Sequence[SeedsNeeded], place: dict[str, int], what: str, label: str) -> Picture:
    lines = []
    for needed in found:
        points = [(float(point.n), float(getattr(point, what))) for point in needed.curve]
        name = needed.arm if needed.baseline is None else f"{needed.arm} − {needed.baseline}"
        title = picture_text.said("seeds needed", name=name, value=numbers.score(float(getattr(needed, what))), n=needed.n)
        lines.append(Line(name, place.get(needed.arm, 0), points, title=title))
    present = sorted({needed.n for needed in found})
    references = [Reference("x", float(n), f"now: {n}") for n in present]
    highest = max(point[1] for line in lines for point in line.points)
    most = max(point[0] for line in lines for point in line.points)
    return picture(
        line_plot,
        lines,
        ("seeds of each arm" if found[0].baseline is None else "pairs of seeds", label),
        references=references,
        x_range=(0.0, most * 1.02),
        y_range=(0.0, highest * 1.05),
    )


def _percent(found: Sequence[SeedsNeeded]) -> str:
    """The level of their intervals, which is that of their study."""
    return f"{100 * max((needed.level for needed in found), default=LEVEL):.4g} %"


def _power(found: Sequence[SeedsNeeded], place: dict[str, int]) -> Picture:
    """Power of n pairs of seeds to detect the observed difference if it is the true one, up to where all are near 1."""
    lines = []
    effects = [abs(needed.mean) / needed.sd for needed in found]
    longest = max(point.n for needed in found for point in needed.curve)
    alpha = alpha_of(found[0].level)
    sure = (n for n in range(MOST_SEEDS_AT_LEAST, longest) if all(power(n, e, paired=True, alpha=alpha) > SURE for e in effects))
    most = next(sure, longest)
    for needed, effect in zip(found, effects, strict=True):
        points = [(float(n), power(n, effect, paired=True, alpha=alpha)) for n in range(2, most + 1)]
        name = f"{needed.arm} − {needed.baseline}"
        title = picture_text.said("power", name=name, difference=numbers.signed(needed.mean))
        lines.append(Line(name, place.get(needed.arm, 0), points, title=title))
    references = [Reference("y", 0.8, "80 %"), *(Reference("x", float(n), f"now: {n}") for n in sorted({f.n for f in found}))]
    return picture(
        line_plot,
        lines,
        ("pairs of seeds", f"power of a two-sided t-test at {numbers.percent(alpha_of(found[0].level))}"),
        references=references,
        x_range=(0.0, most * 1.02),
        y_range=(0.0, 1.0),
    )


def _budget(views: Sequence[BudgetView], place: dict[str, int]) -> Picture:
    """U with its band; V is drawn too where there is only one arm, since two lines for each would be too many."""
    lines = []
    for view in views:
        for name, short in (("u", "unbiased"), ("v", "with replacement")):
            if name == "v" and len(views) > 1:
                continue
            points = [(float(p.n), float(getattr(p, name))) for p in view.points]
            sds = [float(getattr(p, f"{name}_sd")) for p in view.points]
            band = (
                [y - sd for (_, y), sd in zip(points, sds, strict=True)],
                [y + sd for (_, y), sd in zip(points, sds, strict=True)],
            )
            (least, first), (most, last) = points[0], points[-1]
            ends = {"first": numbers.score(first), "least": least, "last": numbers.score(last), "most": most}
            title = picture_text.said("budget", name=f"{view.arm}, {short}", **ends)
            at = place.get(view.arm, 0) + (0 if name == "u" else 1)
            shown = view.arm if len(views) > 1 else short
            low, high = band if name == "u" else ((), ())
            lines.append(Line(shown, at, points, low, high, title, marks=len(points) <= 40))
    unit = "trials of the search" if views[0].source == "trials" else "seeds"
    costs = [(float(p.n), f"{p.hours:.2g} h") for p in views[0].points if p.hours is not None] if len(views) == 1 else []
    every = math.ceil(len(costs) / N_COSTS) if costs else 1
    label = f"expected best validation {views[0].metric}"
    words = unit if not costs else f"{unit}, and hours of training"
    return picture(line_plot, lines, (words, label), below=costs[::every])


def _pays(view: StartManyView) -> bool:
    """Some budget is better spent on a schedule with a cut; where none is, its sentence is enough."""
    return any(schedule.stop_at < 1 for schedule in view.best)


def _start_many(view: StartManyView) -> Picture:
    ways = (("stopping early", view.best), ("whole runs only", view.uncut))
    lines = [
        Line(
            name,
            i,
            [(s.cost, s.expected) for s in schedules],
            title=picture_text.said("schedule", name=name, score=numbers.score(schedules[-1].expected), cost=schedules[-1].cost),
            marks=True,
        )
        for i, (name, schedules) in enumerate(ways)
        if schedules
    ]
    return picture(line_plot, lines, ("cost in whole runs", f"expected best validation {view.metric}"))


def _schedules(view: StartManyView) -> Section:
    uncut = {round(schedule.cost, 9): schedule for schedule in view.uncut}
    rows = [
        {
            "cost": f"{s.cost:.3g}",
            "start": s.start,
            "stop_at": f"{100 * s.stop_at:.0f} %",
            "keep": s.keep,
            "expected": numbers.score(s.expected),
            "sd": numbers.score(s.sd),
            "uncut": numbers.score(other.expected if (other := uncut.get(round(s.cost, 9))) else None),
        }
        for s in view.best
    ]
    return {"arm": view.arm, "rows": rows}
