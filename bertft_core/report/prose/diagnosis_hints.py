"""What `bertft diagnose` advises to do."""

import shlex
from collections.abc import Callable, Sequence

from bertft_core.evaluation.diagnosis.findings import DiagnosisHint
from bertft_core.report.formatting.numbers import percent
from bertft_core.report.prose import grammar
from bertft_core.report.prose.diagnosis_findings import Values, constant, of_arms, value


def hint(given: DiagnosisHint) -> str:
    """One hint as a clause, with its overrides as `--set` options."""
    options = [f"--set {shlex.quote(override)}" for override in given.overrides]
    return of_arms(given.values) + HINTS[given.code]({**given.values, "arm": given.arm, "split": given.split}, options)


def _learn_more(v: Values, options: Sequence[str]) -> str:
    learned = f"{v['arm']} hardly learned in {grammar.several(v['n_steps'], 'step')} at {value(v['rate'])}"
    return f"{learned}: train longer ({options[0]}) or with a higher rate ({options[1]})"


def _gentler(v: Values, options: Sequence[str]) -> str:
    longer = f" or a longer warm-up ({options[1]})" if len(options) > 1 else ""
    return f"{v['arm']} is unstable at {value(v['rate'])}: use a lower rate ({options[0]}){longer}"


def _unusual_rate(v: Values) -> str:
    side = "lower" if v["rate"] < v["low"] else "higher"
    search = "choose one" if v.get("no_search") else "search"
    usual = f"is {side} than usual for this encoder and data size"
    return f"{value(v['rate'])} in {v['arm']} {usual}: {search} from {value(v['low'])} to {value(v['high'])}"


def _other_rate(v: Values) -> str:
    """A search of the learning rate, or what is left where the design allows none."""
    return f"choose another learning rate for {v['arm']}" if v.get("no_search") else f"search the learning rate of {v['arm']}"


HINTS: dict[str, Callable[[Values, Sequence[str]], str]] = {
    "remove_duplicates": lambda v, o: f"remove the duplicates from {v['split']} ({v['path']})",
    "part_groups": lambda v, o: f"remove the groups that are also elsewhere from {v['split']} ({v['path']})",
    "fix_labels": lambda v, o: "decide on one label for each text and fix the files; no setting can learn a contradiction",
    "check_labels": lambda v, o: (
        f"read and correct tables/labels_to_check.csv in the report of {v['study']}; some are hard examples with a right label"
    ),
    "raise_max_length": lambda v, o: f"{' '.join(o)} (99 % have up to {v['p99']} tokens)",
    "read_in_windows": lambda v, o: (
        f"{' '.join(o[: v['n_windows']])} reads texts to their end"
        + (f"; {' '.join(o[v['n_windows'] :])} makes windows cheaper" if o[v["n_windows"] :] else "")
    ),
    "shorten_texts": lambda v, o: f"shorten the texts, or choose an encoder that reads more (99 % have up to {v['p99']} tokens)",
    "other_encoder": lambda v, o: f"choose an encoder trained on this language and domain: {' '.join(o)}",
    "continue_pretraining": lambda v, o: (
        "or continue its pre-training on raw text of the domain (head: masked_lm, encoder.study)"
    ),
    "weight_classes": lambda v, o: f"try class weights in an arm of its own beside {v['arm']}: {o[0]}",
    "macro_f1": lambda v, o: f"use a metric that gives classes equal weight: {o[0]}",
    "collect_rare_classes": lambda v, o: "or collect more examples of the rare classes",
    "larger_split": lambda v, o: f"label more examples for {v['split']}" + "".join(f", or hold out more: {more}" for more in o),
    "whole_split": lambda v, o: f"use all examples of {v['split']}, or more of them: {o[0]}",
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
    "gentler_steps": _gentler,
    "not_learned": lambda v, o: f"{_other_rate(v)}, or train it longer: it has not learned the task",
    "barely_learned": lambda v, o: (
        f"{_other_rate(v)}, train it longer or add {'splits' if v.get('no_search') else 'seeds'}: "
        f"it is not shown to be better than {constant(v)}"
    ),
    "own_seeds": lambda v, o: (
        f"to compare {v['arm']} with {v['baseline']}, give every run its own seeds: seeds.n without a crossed design"
    ),
    "more_seeds_for_power": lambda v, o: (
        f"{v['n']} seeds are needed to detect the difference between {v['arm']} and {v['baseline']} with 80 % power: "
        + " ".join(o)
    ),
    "more_stable": lambda v, o: (
        f"make {v['arm']} more stable: more steps, a lower rate, or more data; report all seeds, never the best"
    ),
    "more_splits": lambda v, o: "more repeats, resamples or bootstrap samples in seeds.design.split (finished runs are kept)",
    "more_examples": lambda v, o: (
        f"to compare {v['arm']} with {v['baseline']}, label more examples; more splits of these would tell little more"
    ),
    "more_crossed_seeds": lambda v, o: "more init or order seeds in seeds.design.crossed (finished runs are kept)",
    "unselected_seeds": lambda v, o: f"for an interval, do not select seeds: {o[0]}",
    "more_seeds": lambda v, o: f"{' '.join(o)} (finished runs are kept)",
}
"""Code of a hint → its clause, given its numbers and options."""
