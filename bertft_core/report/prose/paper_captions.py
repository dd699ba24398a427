"""Captions of the tables for a paper: what the numbers are, and what bold means."""

from collections.abc import Iterable, Mapping
from typing import Literal

from bertft_core.records.comparison_record import Comparison
from bertft_core.report.prose import comparison_text, grammar, run_words

RUNS_THAT_SHARE = {"seeds": "runs that share seeds (crossed)", "examples": "runs on splits of the same examples"}
NO_SCORES = "No arm has a score."
SELECTED = "{arm}: one run, the best of {n} started seeds on the validation set."


def results(
    key: str, remarks: Iterable[str], collapsed: Mapping[str, int], shared: Literal["seeds", "examples"] | None = None
) -> str:
    """The table of results for metrics at the split and checkpoint of `key`.

    `collapsed` is arm → collapsed runs, `shared` what the runs share with each other.
    """
    checkpoint, split, _ = key.split("/", 2)
    runs = "seeds" if shared is None else RUNS_THAT_SHARE[shared]
    where = f"on {split}, {'best' if checkpoint == 'best' else 'last'} checkpoint"
    included = [f"{n} of {arm}" for arm, n in collapsed.items() if n]
    remarks = [*remarks, *([f"Collapsed runs are included: {grammar.listed(included)}."] if included else [])]
    return " ".join([f"Mean ± standard deviation over n {runs}, {where}.", *remarks])


def of_bold(any_bold: bool, n_arms: int, comparison: Comparison | None) -> str:
    """What bold means, or why there is none."""
    if n_arms < 2:
        return "No arm is set in bold: there is only one."
    if comparison is None or not comparison.pairs:
        return "No arm is set in bold: the arms were not compared."
    holm = f"after Holm's correction over {comparison.n_tests} pairs and metrics"
    if any_bold:
        return f"Bold: better than every other arm, p ≤ {1 - comparison.level:.3g} {holm}."
    return f"No arm is set in bold: on no metric is one better than every other at p ≤ {1 - comparison.level:.3g} {holm}."


def pairs(comparison: Comparison) -> str:
    """The table of pairs."""
    crossed = any(pair.crossed for pair in comparison.pairs)
    shared = "Runs of a crossed design share seeds, so nothing is tested or claimed. " if crossed else ""
    bold = f"Bold: claimed, p ≤ {1 - comparison.level:.3g} after Holm's correction over {comparison.n_tests} pairs and metrics."
    where = f"on {comparison.headline_split}, {comparison.headline_checkpoint} checkpoint"
    if run_words.over_splits(comparison):
        return (
            f"Differences of the means over splits of the same examples, {where}; intervals of the corrected resampled t-test "
            f"(Nadeau & Bengio 2003). P(A > B): in how many paired runs the arm is better than the other; ties count half. "
            f"{bold}"
        )
    return (
        f"Differences of the means over seeds, {where}; "
        f"intervals from {comparison_text.resamples(comparison)} of seeds and of examples where they can be resampled, "
        "corrected for the number of seeds. "
        "P(A > B): how often a run of the arm is better than a run of the other; ties count half. "
        f"{shared}"
        f"{bold}"
    )
