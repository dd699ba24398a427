"""What the checks of `bertft diagnose` found."""

from collections.abc import Callable, Mapping
from typing import Any

from bertft_core.data.examples import shorten
from bertft_core.evaluation.diagnosis.findings import DiagnosisFinding
from bertft_core.metrics import METRICS
from bertft_core.recipes.study_yaml import number
from bertft_core.report.formatting import intervals, numbers, p_values
from bertft_core.report.formatting.numbers import percent
from bertft_core.report.prose import grammar
from bertft_core.report.prose.data_findings_text import finding_text
from bertft_core.statistics.rounding import ROUNDING

Values = Mapping[str, Any]


def finding(found: DiagnosisFinding) -> str:
    """One finding as a clause."""
    if found.data is not None:
        example = f", such as {found.data.examples[0]}" if found.data.examples else ""
        clause = finding_text(found.data, drawn=found.values.get("drawn", False)) + example
    else:
        clause = FINDINGS[found.code]({**found.values, "arm": found.arm, "split": found.split})
    first = found.values.get("first_of")
    return of_arms(found.values) + (f"in the first of {grammar.several(first, 'split')}, " if first else "") + clause


def of_arms(v: Values) -> str:
    """The arms that a clause is about, where it is not about all."""
    return f"{grammar.listed(v['arms'])}: " if "arms" in v else ""


def _shares(shares: Mapping[str, float], digits: int) -> str:
    return ", ".join(f"{percent(share, digits)} of {split}" for split, share in shares.items() if share)


def _conflicts(v: Values) -> str:
    affected = f"{v['n_affected']:,} of {v['n']:,} examples ({percent(v['n_affected'] / v['n'], 3)})"
    texts = f"share {grammar.several(v['n_texts'], 'text')} with an example that has another label"
    exact = f"{v['n_exact']:,} identical, {v['n_texts'] - v['n_exact']:,} up to case and punctuation"
    return f"{affected} {texts}: {exact}; {v['n_across']:,} in several splits"


def _conflict(v: Values) -> str:
    labels = (f"{label or 'without a label'} ({split})" for label, split in v["labels"])
    return f"“{v['text']}” is {', '.join(labels)}"


def _suspect_labels(v: Values) -> str:
    of = f"of the {v['of']:,} labels of {grammar.listed(v['splits'])}"
    by = f"by what the runs of {v['arm']} predict"
    return f"none {of} looks wrong, {by}" if not v["n"] else f"{v['n']:,} {of} ({percent(v['n'] / v['of'], 2)}) look wrong, {by}"


def _labels_not_judged(v: Values) -> str:
    of = f"{percent(v['n'] / v['of'], 2)} of the {v['of']:,} labels of {grammar.listed(v['splits'])}"
    return f"labels cannot be judged: the runs of {v['arm']} contradict {of}, which is more than are likely to be wrong"


def _suspect_label(v: Values) -> str:
    word = "" if v["word"] is None else f", word {v['word']}"
    where = f"{v['id']} ({v['split']}{word})"
    text = f" “{shorten(v['text'], 60)}”" if v["text"] else ""
    return f"{where}{text} is labelled {v['label']}, and {v['suggested']} has a probability of {v['probability']:.2f}"


def _truncated(v: Values) -> str:
    cut = _shares(v["shares"], 3)
    if cut or "n_windows" not in v:
        return f"{cut or 'no input'} longer than max_length {v['max_length']}"
    return f"no input is cut: {v['n_inputs']:,} are read in {v['n_windows']:,} windows of at most {v['max_length']} tokens"


def _class_sizes(v: Values) -> str:
    if v["n_largest"] == v["n_smallest"]:
        return f"{grammar.every(v['n_classes'], 'class')} have the same number of training examples ({v['n_largest']:,})"
    largest = f"'{v['largest']}' makes up {percent(v['n_largest'] / v['n'], 2)} of the training labels ({v['n_largest']:,})"
    return f"{largest}, '{v['smallest']}' {percent(v['n_smallest'] / v['n'], 2)} ({v['n_smallest']:,})"


def _split_size(v: Values) -> str:
    size = f"{grammar.several(v['n'], 'example')} in {v['split']}"
    size += f", over all {v['n_splits']} splits" if v.get("n_splits") else ""
    if "accuracy" not in v:
        return size
    if "lowest" in v:
        return f"{size}: where all are right, the accuracy may still be as low as {v['lowest']:.2f} (95 %)"
    return f"{size}: an accuracy of {v['accuracy']:.2f} has a standard error of {100 * v['standard_error']:.1f} points there"


def _chosen(v: Values) -> str:
    return f"{v['arm']}: " + "; ".join(_setting(setting) for setting in v["settings"])


def _setting(v: Values) -> str:
    chosen = f"{v['name']} {value(v['value'])}"
    if "low" in v:
        chosen += f" from {value(v['low'])} to {value(v['high'])}"
    elif "choices" in v:
        chosen += f" out of {', '.join(map(value, v['choices']))}"
    return chosen + (f", at the {v['end']} end" if "end" in v else "")


def value(given: Any) -> str:
    """A setting, a fraction with two digits."""
    return number(float(f"{given:.2g}")) if isinstance(given, float) else str(given)


def _difference(value: float, metric: str, *, sign: bool = False) -> str:
    return numbers.difference(value, metric, sign=sign) + numbers.unit(metric)


def _last_steps(v: Values) -> str:
    parts = [
        grammar.several(v["n_steps"], "step"),
        f"the last evaluation is the best in {v['n_best_last']} of {grammar.several(v['n_runs'], 'run')}",
    ]
    if v["gain"] is not None:
        moved = "improved" if v["gain"] >= 0 else "got worse"
        parts.append(f"{v['metric']} {moved} by {_difference(abs(v['gain']), v['metric'])} on average in the last evaluation")
    if v["loss_fall"] is not None:
        parts.append(f"the training loss changed by {percent(-v['loss_fall'], 2, sign=True)} in the last fifth of the steps")
    return f"{v['arm']}: {'; '.join(parts)}"


SMALLEST_RISE = 5e-4
"""Share of the loss: a smaller rise is rounding, or too small to mention."""


def _after_best(v: Values) -> str:
    drop = percent(v["drop"], 2) if v["relative"] else _difference(v["drop"], v["metric"])
    words = f"{v['arm']}: {v['metric']} on validation is {drop} worse at the end than at its best"
    return words + (
        f"; its loss rose by {percent(v['loss_rise'], 2)} from its minimum" if (v["loss_rise"] or 0.0) >= SMALLEST_RISE else ""
    )


def _stopped(v: Values) -> str:
    words = f"{v['arm']}: {v['n_stopped']} of {grammar.several(v['n_runs'], 'run')} stopped early, with patience {v['patience']}"
    if v["mean_share"] is None:
        return words
    return f"{words}, after {percent(v['mean_share'], 2)} of the steps on average, {v['n_early']} of them in the first third"


def _statuses(v: Values) -> str:
    if not v["counts"]:
        return f"{v['arm']}: {grammar.every(v['n'], 'run')} succeeded"
    return f"{v['arm']}: {', '.join(f'{n} {status}' for status, n in v['counts'].items())} of {v['n']}"


def constant(v: Values) -> str:
    """What an arm's gain is over, by its `head` and `metric`."""
    return f"always answering {METRICS[v['head']].constant_for(v['metric'])}"


def _gain(v: Values) -> str:
    metric = v["metric"]
    above = f"{v['arm']}: {_difference(v['gain'], metric, sign=True)} ({metric}) against {constant(v)}"
    if v["low"] is None:
        return above
    if v["high"] - v["low"] < ROUNDING:
        return f"{above}, the same with every seed"
    return f"{above}, interval {intervals.of_difference(v['low'], v['high'], metric, of=v['gain'])}"


def _unit(v: Values) -> str:
    return "run" if v.get("crossed") else "seed"


def _spread(v: Values) -> str:
    runs = f"{v['n']} {_unit(v)}s"
    ends = " to ".join(numbers.score(v[end]) for end in ("min", "max"))
    return f"{v['arm']}: sd {_difference(v['sd'], v['metric'])} over {runs}, from {ends}"


def _not_claimed(v: Values) -> str:
    gap = f"{v['arm']} and {v['baseline']} differ by {_difference(v['difference'], v['metric'], sign=True)} on average"
    test = "not tested" if v["p_holm"] is None else f"{p_values.clause(v['p_holm'])} after Holm's correction"
    return f"{gap} over {v['n']} {_unit(v)}s: {v['verdict']} ({test})"


FINDINGS: dict[str, Callable[[Values], str]] = {
    "clean_data": lambda v: "no duplicates, no overlap between splits, no near-empty texts",
    "no_conflicts": lambda v: f"no two of the {v['n']:,} examples have the same text, ignoring punctuation, and different labels",
    "conflicts": _conflicts,
    "conflict": _conflict,
    "suspect_labels": _suspect_labels,
    "suspect_label": _suspect_label,
    "labels_not_judged": _labels_not_judged,
    "truncated": _truncated,
    "unknown_tokens": lambda v: f"{_shares(v['shares'], 3) or 'none'} of the tokens are unknown to the encoder",
    "class_sizes": _class_sizes,
    "missed_classes": lambda v: (
        f"{v['arm']} hardly ever finds {', '.join(f'{name!r} (recall {recall:.2f})' for name, recall in v['recalls'].items())}"
    ),
    "split_size": _split_size,
    "chosen": _chosen,
    "not_searched": lambda v: f"{v['arm']}: learning_rate {value(v['rate'])}, not searched",
    "last_steps": _last_steps,
    "after_best": _after_best,
    "validated_once": lambda v: "runs were validated only once, so overfitting cannot be seen",
    "stopped": _stopped,
    "warm_up": lambda v: f"{v['arm']}: {v['n_warmup']:,} of {v['n_steps']:,} steps ({percent(v['ratio'], 2)})",
    "statuses": _statuses,
    "gain": _gain,
    "no_spread": lambda v: f"fewer than two {_unit(v)}s with a score: the spread is unknown",
    "spread": _spread,
    "not_claimed": _not_claimed,
    "scored_seeds": lambda v: ", ".join(
        f"{arm} has {grammar.several(n, f'scored {_unit(v)}')}" for arm, n in v["counts"].items()
    ),
}
"""Code of a finding → its clause."""
