"""Checks of the data: quality, contradictions, cut ends, foreign words, rare classes, small sets."""

from __future__ import annotations

from typing import Any

import numpy as np

from bertft_core.data.findings import MAX_CLASS_RATIO, MAX_TRUNCATED_RATIO, MAX_UNKNOWN_RATIO
from bertft_core.evaluation.diagnosis.evidence import Diagnosis, Evidence, Verdict, standard_error, worst
from bertft_core.evaluation.diagnosis.label_conflicts import TARGETS, Conflict, find_conflicts
from bertft_core.recipes.input_lengths import USUAL_LIMIT, at_least

CHECKED_ELSEWHERE = ("conflicting_labels", "class_balance", "truncated", "unknown_tokens")
"""Findings of the card that have a check of their own here."""
OVERLAPS = ("overlap", "shared_contexts")
MAX_OVERLAP = 0.01
"""Share of an evaluated split that is in another split too, above which it is a problem."""
MAX_CONFLICTS = 0.01
MAX_CUT, MAX_FOREIGN = 0.2, 0.05
"""Shares of cut inputs and of unknown word pieces that are a problem."""
LOW_RECALL = 0.1
FEW, VERY_FEW = 200, 50
"""Examples of a split under which its scores are rough, or say hardly anything."""


def data_quality(evidence: Evidence) -> Diagnosis:
    """What was found when the data were prepared: copies, overlap, texts with hardly a letter, broken tags."""
    findings = [finding for finding in evidence.card.findings if finding.check not in CHECKED_ELSEWHERE]
    verdicts: list[Verdict] = []
    hint = []
    for finding in findings:
        share = (
            finding.count / max(1, evidence.card.splits[finding.split].n_examples)
            if finding.split in evidence.card.splits
            else 0.0
        )
        verdicts.append("problem" if finding.check in OVERLAPS and share > MAX_OVERLAP else "look")
        if finding.check in (*OVERLAPS, "duplicates"):
            hint.append(f"remove the copies from {finding.split} ({evidence.card.splits[finding.split].origin})")
    if not findings:
        return Diagnosis(check="data_quality", verdict="ok", found=("no copies, no overlap between splits, no near-empty texts",))
    found = tuple(_with_examples(f"{f.check} in {f.split}: {f.count}", f.examples) for f in findings)
    return Diagnosis(check="data_quality", verdict=worst(verdicts), found=found, hint=tuple(dict.fromkeys(hint)))


def _with_examples(message: str, examples: tuple[str, ...]) -> str:
    return f"{message}, such as {examples[0]}" if examples else message


def label_conflicts(evidence: Evidence) -> Diagnosis | None:
    """The same or nearly the same text with different answers, within and between splits."""
    kind = evidence.study.head.kind
    if kind not in TARGETS or not evidence.splits:
        return None
    n_examples = sum(split.n for split in evidence.splits.values())
    conflicts = find_conflicts(evidence.splits, kind)
    if not conflicts:
        found = (f"no two of the {n_examples} examples have the same text and different labels, also without punctuation",)
        return Diagnosis(check="label_conflicts", verdict="ok", found=found)
    n_torn = sum(len(conflict.members) for conflict in conflicts)
    return Diagnosis(
        check="label_conflicts",
        verdict="problem" if n_torn > MAX_CONFLICTS * n_examples else "look",
        found=(_count_conflicts(conflicts, n_torn, n_examples), *(c.told(_namer(evidence)) for c in conflicts[:3])),
        hint=("agree on one label for each text and correct the files; no setting learns a contradiction",),
    )


def _count_conflicts(conflicts: list[Conflict], n_torn: int, n_examples: int) -> str:
    exact = sum(conflict.same_to_the_letter for conflict in conflicts)
    across = sum(conflict.across_splits for conflict in conflicts)
    return (
        f"{n_torn} of {n_examples} examples ({n_torn / n_examples:.1%}) share {len(conflicts)} texts with another label: "
        f"{exact} the same to the letter, {len(conflicts) - exact} but for case and punctuation; {across} reach across splits"
    )


def _namer(evidence: Evidence) -> Any:
    labels = evidence.card.labels

    def name_of(target: Any) -> str:
        if evidence.study.head.kind == "classification":
            return labels[target]
        if evidence.study.head.kind == "multi_label":
            return "+".join(label for label, on in zip(labels, target, strict=True) if on) or "nothing"
        return f"{target:g}" if isinstance(target, float) else " ".join(labels[tag] for tag in target[:8])

    return name_of


def truncation(evidence: Evidence) -> Diagnosis:
    """Inputs whose end the model never saw."""
    cut = {name: split.truncated_ratio for name, split in evidence.card.splits.items()}
    largest = max(cut.values())
    told = ", ".join(f"{share:.1%} of {name}" for name, share in cut.items() if share) or "no input"
    found = (f"{told} longer than max_length {evidence.card.max_length}",)
    if largest <= MAX_TRUNCATED_RATIO:
        return Diagnosis(check="truncation", verdict="ok", found=found)
    lengths = [split.n_tokens for split in evidence.splits.values()]
    longest = int(np.quantile(np.concatenate(lengths), 0.99)) if lengths else 2 * evidence.card.max_length
    hint = [f"--set data.max_length={at_least(longest, USUAL_LIMIT)} (99 % have up to {longest} word pieces)"]
    if longest > USUAL_LIMIT and isinstance(evidence.study.data.text, str):
        hint = ["--set data.long_texts=windows, which reads all of a text (--set data.max_length=256 makes windows cheaper)"]
    return Diagnosis(check="truncation", verdict="problem" if largest > MAX_CUT else "look", found=found, hint=tuple(hint))


def domain_mismatch(evidence: Evidence) -> Diagnosis:
    """Word pieces that the encoder's vocabulary lacks: another language, alphabet or notation than it was trained on."""
    unknown = {name: split.unknown_token_ratio for name, split in evidence.card.splits.items()}
    largest = max(unknown.values())
    found = (", ".join(f"{share:.2%} of {name}" for name, share in unknown.items()) + " are unknown word pieces",)
    if largest <= MAX_UNKNOWN_RATIO:
        return Diagnosis(check="domain_mismatch", verdict="ok", found=found)
    hint = (
        "choose an encoder of the language and field: --set encoder.checkpoint=NAME",
        "or go on with its pre-training on raw text of the field first (head: masked_lm, then encoder.study)",
    )
    return Diagnosis(check="domain_mismatch", verdict="problem" if largest > MAX_FOREIGN else "look", found=found, hint=hint)


def imbalance(evidence: Evidence) -> Diagnosis | None:
    """Classes of very different size, and those that the best arm never answers with."""
    counts = evidence.card.splits["train"].label_counts
    counts = {
        label: n for label, n in counts.items() if not (evidence.study.head.kind == "token_classification" and label == "O")
    }
    if len(counts) < 2 or evidence.study.head.kind == "question_answering":
        return None
    largest, smallest = max(counts, key=lambda label: counts[label]), min(counts, key=lambda label: counts[label])
    total, ratio = sum(counts.values()), counts[largest] / max(1, counts[smallest])
    if counts[largest] == counts[smallest]:
        found = [f"all {len(counts)} classes have equally many training examples ({counts[largest]})"]
    else:
        found = [
            f"'{largest}' is {counts[largest] / total:.0%} of the training labels ({counts[largest]}), "
            f"'{smallest}' {counts[smallest] / total:.1%} ({counts[smallest]})"
        ]
    missed = _missed_classes(evidence)
    for arm, names in missed:
        told = ", ".join(f"'{name}' (recall {recall:.2f})" for name, recall in names)
        found.append(f"{arm} finds hardly any of {told}")
    weighted = any(s.kind in ("class_weights", "oversampling") for arm in evidence.study.arms.values() for s in arm.strategies)
    verdict: Verdict = "problem" if missed else "look" if ratio > MAX_CLASS_RATIO and not weighted else "ok"
    return Diagnosis(
        check="imbalance", verdict=verdict, found=tuple(found), hint=_against_imbalance(evidence) if verdict != "ok" else ()
    )


def _missed_classes(evidence: Evidence) -> list[tuple[str, list[tuple[str, float]]]]:
    """Arm → names that it recalls hardly ever, on the headline split, with their mean recall; names absent there are left out."""
    split = evidence.card.splits[evidence.summary.headline_split]
    missed = []
    for arm in evidence.summary.arms:
        rows = {
            row.metric: row
            for row in arm.metrics
            if row.metric.startswith("recall/") and evidence.row(arm.arm, row.metric) == row
        }
        names = [(metric.removeprefix("recall/"), row.mean) for metric, row in rows.items() if row.mean < LOW_RECALL]
        names = [(name, mean) for name, mean in names if split.label_counts.get(name, 1)]
        if names:
            missed.append((arm.arm, names[:5]))
    return missed


def _against_imbalance(evidence: Evidence) -> tuple[str, ...]:
    arm = next(iter(evidence.study.arms))
    hint = [f"weigh the loss in an arm of its own: --set 'arms.weighted={{strategies: [{{kind: class_weights}}]}}' beside {arm}"]
    if evidence.study.metric == "accuracy":
        hint.append("choose by a metric that counts classes alike: --set metric=f1_macro")
    return (*hint, "or collect more examples of the rare classes")


def small_sets(evidence: Evidence) -> Diagnosis:
    """How rough the scores are that settings are chosen by and that are reported."""
    headline = evidence.summary.headline_split
    sizes = {name: evidence.card.splits[name].n_examples for name in dict.fromkeys(("validation", headline))}
    verdicts: list[Verdict] = ["problem" if n < VERY_FEW else "look" if n < FEW else "ok" for n in sizes.values()]
    found = [f"{n} examples in {name}" + _error(evidence, name, n) for name, n in sizes.items()]
    hint = (
        ()
        if worst(verdicts) == "ok"
        else ("label more, or cut more: --set data.split.validation_ratio=0.3 (where no file is given)",)
    )
    return Diagnosis(check="small_sets", verdict=worst(verdicts), found=tuple(found), hint=hint)


def _error(evidence: Evidence, split: str, n: int) -> str:
    means = [row.mean for arm in evidence.summary.arms if (row := evidence.row(arm.arm, "accuracy")) is not None]
    if evidence.study.head.kind != "classification" or not means:
        return ""
    return f": an accuracy of {max(means):.2f} on them has a standard error of {100 * standard_error(max(means), n):.1f} points"
