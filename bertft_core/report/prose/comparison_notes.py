"""Notes on a comparison: how runs were paired, what is left out or not compared, and designs to know about.

All functions give clauses, without capital and full stop.
"""

from collections.abc import Sequence

from bertft_core.metrics import METRICS
from bertft_core.metrics.per_example.statistic import SeedsOnly
from bertft_core.records.compared_arm_record import ComparedArmRecord, StudyComponents
from bertft_core.records.comparison_record import Comparison, ComparisonNote, PairComparison, Refusal
from bertft_core.report.formatting import numbers, p_values
from bertft_core.report.formatting.aligned_table import aligned
from bertft_core.report.prose import comparison_text, grammar, run_words
from bertft_core.report.prose.comparison_text import GRID
from bertft_core.statistics.seeds_needed import MIN_SEEDS

LEFT_OUT = {
    "diverged": "diverged, without a score",
    "failed": "failed, without a score",
    "pruned": "stopped early, with scores that are not those of complete runs",
    "missing": "yet to be run",
}
"""Status → why such runs are not compared."""

POOLED = "a metric that is no mean over examples, such as F1, has another difference on them than its mean over splits"
"""Why the difference of pooled predictions is another one than that of the row."""

SEEDS_ONLY: dict[SeedsOnly, str] = {
    "ranks examples": "it ranks all examples, and every resample would have to rank them again",
    "tuned on the split": "its threshold is tuned on the questions that it is scored on, and every resample would have to tune"
    " it again",
    "no score": "it is not a score",
}


def pairing(found: PairComparison, comparison: Comparison) -> str | None:
    """Which runs were paired, and which were left out for want of a partner; None where it was not recorded."""
    n = found.n_shared_seeds
    if n is None:
        return None
    if not found.paired:
        share = "1 run of each arm shares" if n == 1 else f"{n or 'no'} runs of each arm share"
        return f"unpaired: {share} all three seeds with a run of the other"
    arms = [comparison.arm(name) for name in (found.arm, found.baseline)]
    alone = [f"{arm.n_seeds - n} of {arm.name}" for arm in arms if arm.n_seeds > n]
    left_out = f"; without a partner and left out: {grammar.listed(alone)}" if alone else ""
    return f"paired: {n} runs of each arm have the same init, order and dropout seeds{left_out}"


def left_out(arm: ComparedArmRecord) -> list[str]:
    """Why runs of an arm are not compared."""
    runs = grammar.several(sum(arm.counts.values()), f"{arm.name} run")
    found = [f"{arm.counts[status]} of {runs} {why}" for status, why in LEFT_OUT.items() if arm.counts.get(status)]
    have = "has" if arm.n_without_scores == 1 else "have"
    without = [f"{arm.n_without_scores} of {runs} {have} no stored score"] if arm.n_without_scores else []
    return found + without


def refusal(found: Refusal, comparison: Comparison) -> str:
    """Why an arm or a pair is not compared."""
    split = comparison.headline_split
    if found.reason == "selected_seeds":
        why = "its seeds were selected (many started, the best on validation continued) and are not a sample of seeds"
    elif found.reason == "few_seeds":
        arm = comparison.arm(found.arm)
        because = "; ".join(left_out(arm))
        why = f"{grammar.several(arm.n_seeds, 'run')} of it ended with a score, and at least {MIN_SEEDS} are needed"
        why += f" ({because})" if because else ""
    elif found.reason == "missing_split":
        missing = found.arm if found.n_examples is None or found.n_examples[0] is None else found.baseline
        why = f"{missing} has no split '{split}'"
    elif found.reason == "other_labels":
        why = "their labels differ"
    elif found.reason == "other_splits":
        why = "their runs are not on the same splits of the same examples"
    elif found.reason == "same_test_set":
        why = f"all their runs are tested on the same examples of {split}, about which the spread over splits says nothing"
    elif found.reason == "other_tokens":
        why = f"their encoders split the texts of {split} into different tokens, and scores of masked_lm are per token"
    elif found.reason == "scores_missing":
        why = _without_scores([comparison.arm(name) for name in (found.arm, found.baseline) if name is not None], comparison)
    else:
        sizes = "" if found.n_examples is None else f" ({found.n_examples[0]} and {found.n_examples[1]})"
        why = f"their {split} sets contain different examples{sizes} of different data"
    names = found.arm if found.baseline is None else f"{found.arm} and {found.baseline}"
    return f"{names} {'is' if found.baseline is None else 'are'} not compared: {why}"


def _without_scores(arms: Sequence[ComparedArmRecord], comparison: Comparison) -> str:
    """Which arms have runs without the headline score; none of them where a score is not finite."""
    what = f"{comparison.headline_metric} on {comparison.headline_split}"
    lacking = {arm.name: (arm.n_seeds - len(arm.scores.get(comparison.headline_key, ())), arm.n_seeds) for arm in arms}
    parts = [f"{n} of {grammar.several(of, 'run')} of {name}" for name, (n, of) in lacking.items() if n]
    if not parts:
        return f"a run's {what} is too large to compare"
    have = "has" if [n for n, _ in lacking.values() if n] == [1] else "have"
    return f"{grammar.listed(parts)} {have} no {what}"


def note(found: ComparisonNote, comparison: Comparison) -> str:
    """Something to know when reading the pairs."""
    why = next((code for task in METRICS.values() for name, code in task.seeds_only.items() if name == found.metric), None)
    n_resamples, split, missing = comparison.n_resamples, comparison.headline_split, "examples are not resampled everywhere"
    texts = {
        "metric_not_resampled": f"{found.metric}: only seeds are resampled"
        + ("" if why is None else f", because {SEEDS_ONLY[why]}"),
        "too_many_numbers": f"{found.metric}: only seeds are resampled, because its labels × seeds would take too much memory",
        "predictions_missing": f"{missing}: the predictions of seed {found.seed} of {found.arm} are missing",
        "different_examples": f"{missing}: seed {found.seed} of {found.arm} has different examples",
        "separate_examples": f"{found.arm} and {found.baseline}: their {split} sets are different splits of the same data, so "
        "the examples of each arm are resampled separately",
        "few_seeds": f"with {found.n} seeds, the intervals are corrected for that number but assume that scores are normal over "
        "seeds, which so few seeds cannot show",
        "few_resamples": f"with {n_resamples:,} resamples no p-value is below 2/{n_resamples + 1}, which is too coarse for "
        f"{len(comparison.pairs)} tests: --resamples {found.n} is enough",
        "single_stream": f"{found.study}: only the {found.stream} seed varies, so nothing is claimed about the other two",
        "crossed_design": f"{found.study}: runs of a crossed design share seeds and are not an independent sample, so nothing is "
        f"tested or claimed; intervals use the variance under two-way random effects, where at least {GRID} seeds are paired; "
        "the variance components show how much each seed matters, and a joint design compares arms",
        "split_design": f"{found.study}: runs on splits of the same examples are not independent; differences are tested, and "
        "intervals made, with Nadeau & Bengio's variance over splits (the corrected resampled t-test; for two folds five "
        "times the larger p-value of that and of Alpaydın's F test)",
        "adaptive_seeds": f"{found.study}: seeds were added until an interval on validation was narrow enough; to correct for "
        f"the interim analyses, every interval has the level {numbers.percent(comparison.level)}",
    }
    return texts[found.kind]


def of_pooled(pairs: Sequence[PairComparison]) -> str:
    """A line below a table of pairs: what the numbers before the intervals over examples are; empty where there are none."""
    return (
        f"\nexamples alone: of the pooled out-of-fold predictions; {POOLED}"
        if any(p.pooled_difference is not None for p in pairs)
        else ""
    )


def evidence(comparison: Comparison) -> str:
    """What the columns of the table of pairs come from, in sentences."""
    if run_words.over_splits(comparison):
        return (
            "Intervals and p-values allow for the examples that the splits share. Examples only: the difference of the "
            f"out-of-fold predictions, pooled and resampled with the models fixed; {POOLED}."
        )
    return (
        "Uncertainty from: the larger source, seeds or examples. "
        f"Intervals from {comparison_text.resamples(comparison)}, corrected for the number of seeds."
    )


def drawn(comparison: Comparison, *, thin: bool) -> str:
    """How to read the picture of the differences on the headline metric, and its thin bars where it has any."""
    pairs = comparison.headline_pairs
    n_fixed = sum(pair.both is None for pair in pairs)
    if any(pair.splits is not None for pair in pairs):
        return (
            "Each point is the difference between the mean scores of two arms; its bar is the "
            f"{numbers.percent(comparison.level)} interval over splits. A filled point is claimed, a hollow one is inconclusive."
        ) + (f" The thin bar is of the pooled out-of-fold predictions; {POOLED}." if thin else "")
    over = "other seeds and other examples of the same kind" if n_fixed < len(pairs) else "other seeds, with the same examples"
    if 0 < n_fixed < len(pairs):
        over += "; where the examples of a pair could not be resampled, over other seeds alone"
    bars = " The thin bars resample only the seeds, or only the examples: the longer one is the larger source of uncertainty."
    return (
        "Each point is the difference between the mean scores of two arms; its bar is the "
        f"{numbers.percent(comparison.level)} interval over {over}. A filled point is claimed, a hollow one is inconclusive."
    ) + (bars if thin else "")


def other_metrics(pairs: Sequence[PairComparison]) -> str:
    """What is claimed on each of the other metrics, and the metrics on which nothing is."""
    claimed: dict[str, list[str]] = {pair.metric: [] for pair in pairs}
    for pair in pairs:
        if pair.claimed:
            claimed[pair.metric].append(f"{pair.arm} − {pair.baseline} {numbers.signed(pair.difference)}")
    lines = [(metric, "; ".join(differences)) for metric, differences in claimed.items() if differences]
    nothing = ", ".join(metric for metric, differences in claimed.items() if not differences)
    if not lines:
        return f"nothing is claimed on the other metrics of {pairs[0].split}: {nothing}"
    lines += [("nothing on", nothing)] if nothing else []
    return f"claimed on the other metrics of {pairs[0].split}\n{aligned(lines)}"


def components(found: StudyComponents, comparison: Comparison) -> str:
    """How much the scores of an arm vary between studies, and over the seeds within them."""
    metric, split = comparison.headline_metric, comparison.headline_split
    between, within = (numbers.ABSENT if sd is None else numbers.amount(sd, metric) for sd in (found.between_sd, found.within_sd))
    differ = [name for name, is_so in (("data", found.data_differ), ("searched settings", found.settings_differ)) if is_so]
    what = f"the {grammar.listed(differ)} differ" if differ else "nothing but seeds differs"
    where = "" if found.data_differ is None else f", where {what},"
    test = "" if found.f_p is None else f" (F test {p_values.clause(found.f_p)})"
    return (
        f"{found.arm} in {len(found.studies)} studies that differ only in their study seed: between them{where} {metric} on "
        f"{split} has a standard deviation of {between}{test}, within them, over seeds, of {within}"
    )
