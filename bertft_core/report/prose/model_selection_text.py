"""Sentences about what was chosen by scores, and on which split. All are clauses."""

from collections import Counter
from collections.abc import Iterator

from bertft_core.records import StudySummary, SweepResult
from bertft_core.records.selection_record import ChoiceKind, ModelSelection, SelectionChoice
from bertft_core.report.formatting import numbers
from bertft_core.report.prose import grammar

NAMES: dict[ChoiceKind, str] = {"seeds that go on": "continued seeds", "kept model": "saved model"}
"""Kind of a choice → its name, where that is another."""


def splits(found: ModelSelection) -> Iterator[str]:
    """What each split decided, and what to keep in mind about that."""
    for use in found.splits:
        kinds = dict.fromkeys(NAMES.get(choice.what, choice.what) for choice in found.choices if choice.split == use.split)
        evaluations = f"{grammar.several(use.n_evaluations, 'evaluation')} on {use.split}"
        yield f"{evaluations} decided {grammar.listed(kinds) if kinds else 'nothing'}"
    if not any(use.split == "test" for use in found.splits):
        yield (
            "there is no test set, so the headline is on the split that decided, and is optimistic; "
            "data.split.halve_validation makes half of it a test set"
        )
    if found.n_other_runs:
        others = grammar.several(found.n_other_settings, "other setting")
        yield (
            f"this study's folder has {grammar.several(found.n_other_runs, 'run')} of {others}: choosing among settings by their "
            "test scores means choosing on the test set"
        )


def choice(found: SelectionChoice, summary: StudySummary) -> str:
    """How one choice was made."""
    counts = "" if found.n is None else f"{found.n} of {found.of} "
    if found.what == "number of seeds" and summary.adaptive is not None:
        times = grammar.several(len(summary.adaptive.interim_analyses), "interim analysis")
        return f"decided at {times} ({summary.adaptive.metric}); no arm was chosen"
    return {
        "setting": f"the best of {grammar.several(found.n_scores, 'trial')} of the search ({summary.headline_metric})",
        "number of seeds": "decided at interim analyses; no arm was chosen",
        "checkpoint": "the best weights of each run are those with the best of its validation scores",
        "early stopping": f"{counts or 'some '}runs were stopped early",
        "null threshold": "tuned for each set of weights, where questions can have no answer",
        "seeds that go on": f"{counts}seeds were continued",
        "kept model": f"the best of {grammar.several(found.n_scores, 'run')} keeps its model; no number over seeds depends on it",
        "temperature": "fitted for each run",
    }[found.what]


def search(found: SweepResult) -> str:
    """How many trials there were, and which one was chosen; the setting follows."""
    trials = (
        f"{len(found.trials)} of {found.n_planned} planned trials. Trial {found.best_trial} was chosen with a mean validation"
    )
    return f"{trials} {found.metric} of {numbers.score(found.best_score)}"


def savings(found: SweepResult) -> str:
    """What pruning has saved, as a sentence; empty where it is not known, and without a pruner."""
    saved = found.savings
    if saved is None:
        return ""
    if not saved.n_steps_saved:
        return "Pruning saved nothing: no trial fell behind."
    spared = f"spared {saved.n_spared} of {grammar.several(saved.n_runs, 'run')}" if saved.n_spared else ""
    stopped = f"stopped {grammar.several(saved.n_stopped, 'run')} early" if saved.n_stopped else ""
    share = f"{100 * saved.n_steps_saved / saved.n_steps:.0f} % of the optimizer steps of all trials and seeds were not trained"
    return f"Pruning {' and '.join(filter(None, (spared, stopped)))}: {share}."


def search_state(found: SweepResult | None, n_begun: int, n_trials: int) -> str:
    """'8 trials (6 complete, 2 pruned); chosen: learning_rate 3e-05'; of a search that has not ended, the trials so far."""
    if found is None:
        return f"{n_begun} of {n_trials} trials begun"
    states = ", ".join(f"{n} {state}" for state, n in Counter(trial.state for trial in found.trials).items())
    settings = (f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in found.chosen.items())
    return f"{n_trials} trials ({states}); chosen: {', '.join(settings)}"
