"""The outcome of every check of `bertft diagnose`: what was found, and what to do about it."""

import shlex
import textwrap
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bertft_core.evaluation.diagnosis.findings import Diagnosis, DiagnosisFinding, DiagnosisHint
from bertft_core.recipes.study_yaml import number
from bertft_core.report.formatting import intervals, numbers, p_values
from bertft_core.report.formatting.numbers import percent
from bertft_core.report.prose import grammar
from bertft_core.report.prose.data_card_text import finding_text

WIDTH = 118
Values = Mapping[str, Any]


def describe(study: str, diagnoses: Sequence[Diagnosis]) -> str:
    """Every check with its verdict, what was found and what to do, without a final newline."""
    counts = Counter(diagnosis.verdict for diagnosis in diagnoses)
    some = f"{grammar.several(counts['problem'], 'problem')}, {counts['look']} to look at, {counts['ok']} ok"
    none = f"nothing stands out in {grammar.several(len(diagnoses), 'check')}"
    lines = [f"{study}: {none if counts['ok'] == len(diagnoses) else some}"]
    for diagnosis in diagnoses:
        lines += ["", f"{diagnosis.verdict.upper() if diagnosis.verdict != 'ok' else 'ok':<8} {diagnosis.check}"]
        for found in diagnosis.findings:
            lines += textwrap.wrap(finding(found), WIDTH, initial_indent="  - ", subsequent_indent="    ")
        for each in diagnosis.hints:
            lines += textwrap.wrap(hint(each), WIDTH, initial_indent="  do: ", subsequent_indent="      ", break_on_hyphens=False)
    return "\n".join(lines)


def as_json(diagnosis: Diagnosis) -> dict[str, Any]:
    """A check with its codes and numbers, and the sentences that `describe` prints."""
    sentences = {"found": [finding(each) for each in diagnosis.findings], "hint": [hint(each) for each in diagnosis.hints]}
    return {**diagnosis.model_dump(mode="json"), **sentences}


def finding(found: DiagnosisFinding) -> str:
    """One finding as a clause."""
    if found.data is not None:
        example = f", such as {found.data.examples[0]}" if found.data.examples else ""
        return finding_text(found.data) + example
    return FINDINGS[found.code]({**found.values, "arm": found.arm, "split": found.split})


def hint(given: DiagnosisHint) -> str:
    """One hint as a clause, with its overrides as `--set` options."""
    options = [f"--set {shlex.quote(override)}" for override in given.overrides]
    return HINTS[given.code]({**given.values, "arm": given.arm, "split": given.split}, options)


def _shares(shares: Mapping[str, float], digits: int) -> str:
    return ", ".join(f"{percent(share, digits)} of {split}" for split, share in shares.items() if share)


def _conflicts(v: Values) -> str:
    affected = f"{v['n_affected']} of {v['n']} examples ({percent(v['n_affected'] / v['n'], 3)})"
    texts = f"share {grammar.several(v['n_texts'], 'text')} with an example that has another label"
    exact = f"{v['n_exact']} identical, {v['n_texts'] - v['n_exact']} up to case and punctuation"
    return f"{affected} {texts}: {exact}; {v['n_across']} in several splits"


def _conflict(v: Values) -> str:
    labels = (f"{label or 'without a label'} ({split})" for label, split in v["labels"])
    return f"“{v['text']}” is {', '.join(labels)}"


def _class_sizes(v: Values) -> str:
    if v["n_largest"] == v["n_smallest"]:
        return f"{grammar.every(v['n_classes'], 'class')} have the same number of training examples ({v['n_largest']})"
    largest = f"'{v['largest']}' makes up {percent(v['n_largest'] / v['n'], 2)} of the training labels ({v['n_largest']})"
    return f"{largest}, '{v['smallest']}' {percent(v['n_smallest'] / v['n'], 2)} ({v['n_smallest']})"


def _split_size(v: Values) -> str:
    size = f"{grammar.several(v['n'], 'example')} in {v['split']}"
    if "accuracy" not in v:
        return size
    return f"{size}: an accuracy of {v['accuracy']:.2f} has a standard error of {100 * v['standard_error']:.1f} points there"


def _chosen(v: Values) -> str:
    return f"{v['arm']}: " + "; ".join(_setting(setting) for setting in v["settings"])


def _setting(v: Values) -> str:
    chosen = f"{v['name']} {_value(v['value'])}"
    if "low" in v:
        chosen += f" from {_value(v['low'])} to {_value(v['high'])}"
    elif "choices" in v:
        chosen += f" out of {', '.join(map(_value, v['choices']))}"
    return chosen + (f", at the {v['end']} end" if "end" in v else "")


def _value(value: Any) -> str:
    return number(float(f"{value:.2g}")) if isinstance(value, float) else str(value)


def _difference(value: float, metric: str, *, sign: bool = False) -> str:
    return numbers.difference(value, metric, sign=sign) + numbers.unit(metric)


def _last_steps(v: Values) -> str:
    parts = [
        grammar.several(v["n_steps"], "step"),
        f"the last evaluation is the best in {v['n_best_last']} of {v['n_runs']} runs",
    ]
    if v["gain"] is not None:
        moved = "improved" if v["gain"] >= 0 else "got worse"
        parts.append(f"{v['metric']} {moved} by {_difference(abs(v['gain']), v['metric'])} on average in the last evaluation")
    if v["loss_fall"] is not None:
        parts.append(f"the training loss changed by {percent(-v['loss_fall'], 2, sign=True)} in the last fifth of the steps")
    return f"{v['arm']}: {'; '.join(parts)}"


def _after_best(v: Values) -> str:
    words = f"{v['arm']}: {v['metric']} on validation is {percent(v['drop'], 2)} worse at the end than at its best"
    return words + (f"; its loss rose by {percent(v['loss_rise'], 2)} from its minimum" if v["loss_rise"] else "")


def _stopped(v: Values) -> str:
    words = f"{v['arm']}: {v['n_stopped']} of {grammar.several(v['n_runs'], 'run')} stopped early, with patience {v['patience']}"
    if v["mean_share"] is None:
        return words
    return f"{words}, after {percent(v['mean_share'], 2)} of the steps on average, {v['n_early']} of them in the first third"


def _statuses(v: Values) -> str:
    if not v["counts"]:
        return f"{v['arm']}: {grammar.every(v['n'], 'run')} succeeded"
    return f"{v['arm']}: {', '.join(f'{n} {status}' for status, n in v['counts'].items())} of {v['n']}"


def _gain(v: Values) -> str:
    metric = v["metric"]
    above = f"{v['arm']}: {_difference(v['gain'], metric, sign=True)} ({metric}) against the best constant prediction"
    if v["low"] is None:
        return above
    return f"{above}, interval {intervals.of_difference(v['low'], v['high'], metric, of=v['gain'])}"


def _spread(v: Values) -> str:
    runs = f"{v['n']} {'runs' if v['crossed'] else 'seeds'}"
    ends = " to ".join(numbers.score(v[end]) for end in ("min", "max"))
    return f"{v['arm']}: sd {_difference(v['sd'], v['metric'])} over {runs}, from {ends}"


def _not_claimed(v: Values) -> str:
    gap = f"{v['arm']} and {v['baseline']} differ by {_difference(v['difference'], v['metric'], sign=True)} on average"
    test = "not tested" if v["p_holm"] is None else f"{p_values.clause(v['p_holm'])} after Holm's correction"
    return f"{gap} over {v['n']} {'runs' if v['crossed'] else 'seeds'}: {v['verdict']} ({test})"


FINDINGS: dict[str, Callable[[Values], str]] = {
    "clean_data": lambda v: "no duplicates, no overlap between splits, no near-empty texts",
    "no_conflicts": lambda v: f"no two of the {v['n']} examples have the same text, ignoring punctuation, and different labels",
    "conflicts": _conflicts,
    "conflict": _conflict,
    "truncated": lambda v: f"{_shares(v['shares'], 3) or 'no input'} longer than max_length {v['max_length']}",
    "unknown_tokens": lambda v: f"{_shares(v['shares'], 3) or 'none'} of the tokens are unknown to the encoder",
    "class_sizes": _class_sizes,
    "missed_classes": lambda v: (
        f"{v['arm']} hardly ever finds {', '.join(f'{name!r} (recall {recall:.2f})' for name, recall in v['recalls'].items())}"
    ),
    "split_size": _split_size,
    "chosen": _chosen,
    "not_searched": lambda v: f"{v['arm']}: learning_rate {_value(v['rate'])}, not searched",
    "last_steps": _last_steps,
    "after_best": _after_best,
    "validated_once": lambda v: "runs were validated only once, so overfitting cannot be seen",
    "stopped": _stopped,
    "warm_up": lambda v: f"{v['arm']}: {v['n_warmup']} of {v['n_steps']} steps ({percent(v['ratio'], 2)})",
    "statuses": _statuses,
    "gain": _gain,
    "no_spread": lambda v: "fewer than two seeds with a score: the spread is unknown",
    "spread": _spread,
    "not_claimed": _not_claimed,
    "scored_seeds": lambda v: ", ".join(f"{arm} has {grammar.several(n, 'scored seed')}" for arm, n in v["counts"].items()),
}
"""Code of a finding → its clause."""


def _learn_more(v: Values, options: Sequence[str]) -> str:
    learned = f"{v['arm']} hardly learned in {grammar.several(v['n_steps'], 'step')} at {_value(v['rate'])}"
    return f"{learned}: train longer ({options[0]}) or with a higher rate ({options[1]})"


def _unusual_rate(v: Values) -> str:
    side = "lower" if v["rate"] < v["low"] else "higher"
    usual = f"is {side} than usual for this encoder and data size"
    return f"{_value(v['rate'])} in {v['arm']} {usual}: search from {_value(v['low'])} to {_value(v['high'])}"


HINTS: dict[str, Callable[[Values, Sequence[str]], str]] = {
    "remove_duplicates": lambda v, o: f"remove the duplicates from {v['split']} ({v['path']})",
    "fix_labels": lambda v, o: "decide on one label for each text and fix the files; no setting can learn a contradiction",
    "raise_max_length": lambda v, o: f"{o[0]} (99 % have up to {v['p99']} tokens)",
    "read_in_windows": lambda v, o: f"{o[0]} reads texts to their end; {o[1]} makes windows cheaper",
    "other_encoder": lambda v, o: f"choose an encoder trained on this language and domain: {o[0]}",
    "continue_pretraining": lambda v, o: (
        "or continue its pre-training on raw text of the domain (head: masked_lm, encoder.study)"
    ),
    "weight_classes": lambda v, o: f"try class weights in an arm of its own beside {v['arm']}: {o[0]}",
    "macro_f1": lambda v, o: f"use a metric that gives classes equal weight: {o[0]}",
    "collect_rare_classes": lambda v, o: "or collect more examples of the rare classes",
    "more_validation": lambda v, o: f"label more, or hold out more: {o[0]} (if the split has no file)",
    "search_beyond": lambda v, o: o[0],
    "add_values": lambda v, o: f"add values beyond the {v['end']} end to {v['key']}",
    "unusual_rate": lambda v, o: _unusual_rate(v),
    "train_longer": lambda v, o: o[0],
    "stop_earlier": lambda v, o: (
        f"{v['arm']} is best after {percent(v['best'], 2)} of its steps: train less, or add {{kind: early_stopping, patience: 3}}"
    ),
    "more_patience": lambda v, o: f"more patience in {v['arm']}: {{kind: early_stopping, patience: {v['patience']}}}",
    "set_warmup": lambda v, o: o[0],
    "see_status": lambda v, o: f"find the cause with bertft status {v['study']}; bertft run again trains what is missing",
    "remove_legacy_adam": lambda v, o: (
        f"remove legacy_adam from {v['arm']}: without bias correction its first steps are too large (Mosbach 2021)"
    ),
    "learn_more": _learn_more,
    "gentler_steps": lambda v, o: (
        f"{v['arm']} is unstable at {_value(v['rate'])}: use a lower rate ({o[0]}) or a longer warm-up ({o[1]})"
    ),
    "not_learned": lambda v, o: f"search the learning rate of {v['arm']}, or train it longer: it has not learned the task",
    "own_seeds": lambda v, o: (
        f"to compare {v['arm']} with {v['baseline']}, give every run its own seeds: seeds.n without a crossed design"
    ),
    "more_seeds_for_power": lambda v, o: (
        f"{v['n']} seeds are needed to detect the difference between {v['arm']} and {v['baseline']} with 80 % power: {o[0]}"
    ),
    "more_stable": lambda v, o: (
        f"make {v['arm']} more stable: more steps, a lower rate, or more data; report all seeds, never the best"
    ),
    "more_crossed_seeds": lambda v, o: "more init or order seeds in seeds.design.crossed (finished runs are kept)",
    "more_seeds": lambda v, o: f"{o[0]} (finished runs are kept)",
}
"""Code of a hint → its clause, given its numbers and options."""
