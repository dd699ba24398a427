"""Sentences about the seeds of an arm as one model."""

from bertft_core.records import ArmSummary, StudySummary
from bertft_core.report.formatting import numbers
from bertft_core.report.prose import grammar, missing_text
from bertft_core.statistics.rounding import differences_of


def ensemble(arm: ArmSummary, summary: StudySummary) -> str:
    """What the ensemble scores next to the mean of its members, or why there is none, and which runs are not in it; a clause."""
    found, metric = arm.ensemble, summary.headline_metric
    assert found is not None, "only of arms with an ensemble"
    if found.refused is not None:
        return f"{arm.arm} has no ensemble: {missing_text.why(found.refused)}"
    score, mean = found.scores.get(summary.headline_key), found.mean_of_seeds
    text = f"the ensemble of {len(found.seeds)} {arm.arm} seeds"
    if score is None:
        text += f" has no {metric} on {summary.headline_split}"
    else:
        lower = "; lower is better" if summary.headline_direction == "minimize" else ""
        text += f" scores {numbers.score(score)} ({metric}, {summary.headline_split}{lower})"
    if score is not None and mean is not None:
        gap = float(differences_of([score], [mean])[0])
        size = f"{numbers.difference(abs(gap), metric)}{numbers.unit(metric)}"
        text += (
            f", {size} {'above' if gap > 0 else 'below'} their mean of {numbers.score(mean)}"
            if gap
            else ", the same as their mean"
        )
    return "; ".join([text, *_members(arm, found.n_unreadable)])


def _members(arm: ArmSummary, n_unreadable: int) -> list[str]:
    """Runs that are not in the ensemble, or that collapsed and are."""
    runs = f"of {grammar.several(arm.n_planned, f'{arm.arm} run')}"
    counts = {status: n for status, n in sorted(arm.counts.items()) if status not in ("ok", "collapsed") and n}
    parts = [f"without {grammar.listed(f'{n} {status}' for status, n in counts.items())} {runs}"] if counts else []
    if arm.counts.get("collapsed"):
        parts.append(f"including {arm.counts['collapsed']} collapsed {runs}")
    return [*parts, f"without {n_unreadable} {runs} whose predictions are missing"] if n_unreadable else parts
