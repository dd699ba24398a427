"""Checks of the data: quality, label conflicts, truncation, unknown tokens, rare classes, small sets."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from bertft_core.config.data_settings import RESERVED_SPLITS
from bertft_core.config.study_config import StudyConfig
from bertft_core.data.data_findings import MAX_CLASS_RATIO, MAX_TRUNCATED_RATIO
from bertft_core.data.examples import shorten
from bertft_core.data.tokenizer_findings import MAX_UNKNOWN_RATIO
from bertft_core.evaluation.diagnosis.data_views import DataView, data_views, for_arms, over
from bertft_core.evaluation.diagnosis.findings import DiagnosisFinding, DiagnosisHint, Outcome, Outcomes, Verdict, finding, hint
from bertft_core.evaluation.diagnosis.hint_overrides import accepted
from bertft_core.evaluation.diagnosis.label_conflicts import TARGETS, LabelConflict, find_conflicts
from bertft_core.evaluation.diagnosis.stored_study import encoder_of, open_splits, row_of
from bertft_core.recipes.input_lengths import CPU_WINDOW, USUAL_LIMIT, at_least
from bertft_core.recipes.study_yaml import inline
from bertft_core.records import DataFinding, DatasetCard
from bertft_core.storage.study_results import StudyResults

CHECKED_ELSEWHERE = ("conflicting_labels", "conflicting_overlap", "class_balance", "truncated", "unknown_tokens")
"""Findings of the card that have a check of their own here."""
OVERLAPS = ("overlap", "shared_contexts", "shared_groups", "near_duplicates")
MAX_OVERLAP = 0.01
"""Share of an evaluated split that is in another split too, above which it is a problem."""
MAX_CONFLICTS = 0.01
MAX_TRUNCATED, MAX_UNKNOWN = 0.2, 0.05
"""Shares of truncated inputs and of unknown tokens above which they are a problem."""
LOW_RECALL = 0.1
FEW, VERY_FEW = 200, 50
"""Examples of a split below which its scores are noisy, or hardly mean anything."""
LARGE_RATIO = 0.3
"""Of the training set, that is held out for a small split."""
N_SHOWN, N_LABELS, N_CLASSES = 3, 4, 5
"""Conflicts that are shown, labels of each, and classes that are hardly found."""


def data_quality(results: StudyResults) -> Outcomes:
    """What was found when the data were prepared: duplicates, overlap, near-empty texts, invalid tags."""
    views = list(data_views(results))
    for i, view in enumerate(views):
        for each in view.results.card.findings:
            if each.check not in CHECKED_ELSEWHERE and not any(each in before.results.card.findings for before in views[:i]):
                yield _of_card(each, [other for other in views if each in other.results.card.findings], len(views))
    if all(each.check in CHECKED_ELSEWHERE for view in views for each in view.results.card.findings):
        yield Outcome("ok", finding("clean_data"))


def _of_card(found: DataFinding, views: Sequence[DataView], n_views: int) -> Outcome:
    splits = views[0].results.card.splits
    share = found.count / max(1, splits[found.split].n_examples) if found.split in splits else 0.0
    repeated = found.check in (*OVERLAPS, "duplicates")
    at: dict[str, Any] = {"split": found.split, "path": splits[found.split].origin.path} if repeated else {}
    remedy = hint("part_groups", **at) if found.check == "shared_groups" else hint("remove_duplicates", **at)
    hints = (remedy,) if repeated else ()
    problem = found.check in OVERLAPS and share > MAX_OVERLAP
    arms = {"arms": tuple(arm for view in views for arm in view.arms)} if len(views) < n_views else {}
    drawn = {"drawn": True} if views[0].results.card.draws else {}
    return Outcome("problem" if problem else "look", DiagnosisFinding(code="data", data=found, values=arms | drawn), hints)


def label_conflicts(results: StudyResults) -> Outcomes:
    """The same or nearly the same text with different targets, within and between splits."""
    if results.study.head.kind in TARGETS:
        yield from over(data_views(results, _examples_of), _conflicts_of)


def _examples_of(card: DatasetCard) -> list[str]:
    return [split.sha256 for split in card.splits.values()]


def _conflicts_of(view: DataView) -> Outcomes:
    splits, kind = open_splits(view.results.card), view.results.study.head.kind
    if not splits:
        return
    n, conflicts = sum(split.n for split in splits.values()), find_conflicts(splits, kind)
    if not conflicts:
        yield Outcome("ok", finding("no_conflicts", n=n, **view.named))
        return
    n_affected, n_exact = sum(len(conflict.members) for conflict in conflicts), sum(each.is_exact for each in conflicts)
    across = sum(conflict.across_splits for conflict in conflicts)
    counts: dict[str, Any] = {"n_texts": len(conflicts), "n_exact": n_exact, "n_across": across}
    verdict: Verdict = "problem" if n_affected > MAX_CONFLICTS * n else "look"
    yield Outcome(verdict, finding("conflicts", n_affected=n_affected, n=n, **counts, **view.named), (hint("fix_labels"),))
    yield from (Outcome(verdict, _conflict(view.results, each)) for each in conflicts[:N_SHOWN])


def _conflict(results: StudyResults, conflict: LabelConflict) -> DiagnosisFinding:
    text = shorten(" ‖ ".join(conflict.members[0].texts), 60)
    labels = dict.fromkeys((_label(results, member.target), member.split) for member in conflict.members)
    return finding("conflict", text=text, labels=list(labels)[:N_LABELS])


def _label(results: StudyResults, target: Any) -> str:
    """A target by its labels; empty for none of several labels."""
    kind, labels = results.study.head.kind, results.card.labels
    if kind == "classification":
        return labels[target]
    if kind == "multi_label":
        return "+".join(label for label, on in zip(labels, target, strict=True) if on)
    return f"{target:g}" if isinstance(target, float) else " ".join(labels[tag] for tag in target[:8])


def truncation(results: StudyResults) -> Outcomes:
    """Inputs whose end the model never saw."""

    def judged(view: DataView) -> Outcomes:
        card = view.results.card
        shares = {name: split.truncated_ratio for name, split in card.splits.items()}
        verdict = _verdict(max(shares.values()), look=MAX_TRUNCATED_RATIO, problem=MAX_TRUNCATED)
        hints = () if verdict == "ok" else (_against_truncation(results.study, view),)
        n_inputs = sum(split.n_examples for split in card.splits.values())
        n_windows = sum(split.n_windows or split.n_examples for split in card.splits.values())
        read: dict[str, Any] = {"n_windows": n_windows, "n_inputs": n_inputs} if n_windows > n_inputs else {}
        yield Outcome(verdict, finding("truncated", shares=shares, max_length=card.max_length, **read, **view.named), hints)

    return over(data_views(results), judged)


def _verdict(value: float, *, look: float, problem: float) -> Verdict:
    """By the limits that a value exceeds."""
    return "problem" if value > problem else "look" if value > look else "ok"


def _against_truncation(study: StudyConfig, view: DataView) -> DiagnosisHint:
    card, max_length = view.results.card, view.results.study.data.max_length
    lengths = [split.n_tokens for split in open_splits(card).values()]
    longest = int(np.quantile(np.concatenate(lengths), 0.99)) if lengths else 2 * card.max_length
    encoder = encoder_of(card)
    limit = min((encoder and encoder.max_length) or USUAL_LIMIT, USUAL_LIMIT)
    windows = for_arms(study, view.arms, "data.long_texts=windows")
    cheaper = for_arms(study, view.arms, "data.max_length=256") if max_length > CPU_WINDOW else ()
    if longest > limit and accepted(study, *windows, *cheaper):
        return hint("read_in_windows", *windows, *cheaper, n_windows=len(windows))
    longer = at_least(longest, limit)
    raised = for_arms(study, view.arms, f"data.max_length={longer}")
    spaces = [arm.search.space for arm in (study.arms[name] for name in view.arms) if arm.search is not None]
    if longer > max_length and not any("data.max_length" in space for space in spaces):  # what is searched is not set
        return hint("raise_max_length", *raised, p99=longest)
    return hint("shorten_texts", p99=longest, **view.named)


def domain_mismatch(results: StudyResults) -> Outcomes:
    """Tokens unknown to the encoder: another language, alphabet or notation than it was trained on."""

    def judged(view: DataView) -> Outcomes:
        shares = {name: split.unknown_token_ratio for name, split in view.results.card.splits.items()}
        verdict = _verdict(max(shares.values()), look=MAX_UNKNOWN_RATIO, problem=MAX_UNKNOWN)
        other = for_arms(results.study, view.arms, "encoder={checkpoint: NAME}")
        hints = () if verdict == "ok" else (hint("other_encoder", *other), hint("continue_pretraining"))
        yield Outcome(verdict, finding("unknown_tokens", shares=shares, **view.named), hints)

    return over(data_views(results), judged)


def imbalance(results: StudyResults) -> Outcomes:
    """Classes of very different size, and those that an arm hardly ever predicts."""
    kind, missed = results.study.head.kind, _missed_classes(results)
    strategies = [strategy.kind for arm in results.study.arms.values() for strategy in arm.strategies]
    weighted = "class_weights" in strategies or "oversampling" in strategies

    def judged(view: DataView) -> Outcomes:
        counts = _class_counts(kind, view.results.card)
        if len(counts) < 2:
            return
        largest, smallest = max(counts, key=lambda label: counts[label]), min(counts, key=lambda label: counts[label])
        unequal = counts[largest] / max(1, counts[smallest]) > MAX_CLASS_RATIO
        verdict: Verdict = "problem" if missed else "look" if unequal and not weighted else "ok"
        ends: dict[str, Any] = {
            "largest": largest,
            "n_largest": counts[largest],
            "smallest": smallest,
            "n_smallest": counts[smallest],
        }
        sizes = finding("class_sizes", n_classes=len(counts), n=sum(counts.values()), **ends, **view.named)
        yield Outcome(verdict, sizes, tuple(_against_imbalance(results)) if verdict != "ok" else ())

    if kind != "question_answering":
        yield from over(data_views(results, lambda card: _class_counts(kind, card)), judged)
        yield from (Outcome("problem", each) for each in missed)


def _class_counts(kind: str, card: DatasetCard) -> dict[str, int]:
    """Training examples of each class, or words of each tag but O."""
    counts = dict(card.splits["train"].label_counts)
    if kind == "token_classification":
        counts.pop("O", None)
    return counts


def _missed_classes(results: StudyResults) -> list[DiagnosisFinding]:
    """For each arm the classes with a low mean recall on the headline split; classes absent there are left out."""
    split = results.card.splits[results.summary.headline_split]
    found = []
    for arm in results.summary.arms:
        rows = [row for row in arm.metrics if row.metric.startswith("recall/") and row_of(results, arm.arm, row.metric) == row]
        recalls = {row.metric.removeprefix("recall/"): row.mean for row in rows if row.mean < LOW_RECALL}
        recalls = {name: mean for name, mean in recalls.items() if split.label_counts.get(name, 1)}
        if recalls:
            found.append(finding("missed_classes", arm=arm.arm, recalls=dict(list(recalls.items())[:N_CLASSES])))
    return found


def _against_imbalance(results: StudyResults) -> Iterable[DiagnosisHint]:
    weighted = "arms.weighted={strategies: [{kind: class_weights}]}"
    if "weighted" not in results.study.arms and accepted(results.study, weighted):
        yield hint("weight_classes", weighted, arm=next(iter(results.study.arms)))
    if results.study.metric == "accuracy" and accepted(results.study, "metric=f1_macro"):
        yield hint("macro_f1", "metric=f1_macro")
    yield hint("collect_rare_classes")


def small_sets(results: StudyResults) -> Outcomes:
    """How noisy the scores are that settings are chosen by and that are reported; the splits of a design test all examples."""
    for name in dict.fromkeys(("validation", results.summary.headline_split)):
        n = (results.card.n_drawn_from if name == "test" else None) or results.card.splits[name].n_examples
        verdict: Verdict = "problem" if n < VERY_FEW else "look" if n < FEW else "ok"
        hints = () if verdict == "ok" else (larger_split(results, name),)
        yield Outcome(
            verdict, finding("split_size", split=name, n=n, **_of_draws(results.card, name), **_accuracy_error(results, n)), hints
        )


def _of_draws(card: DatasetCard, split: str) -> dict[str, Any]:
    """How many splits a design has, of which the size is that of the first, or that of all together for the test parts."""
    n_splits = len(card.draws)
    return {"n_splits" if split == "test" else "first_of": n_splits} if n_splits and split in RESERVED_SPLITS else {}


def larger_split(results: StudyResults, split: str) -> DiagnosisHint:
    """More examples for a split: all that there are, where the study takes some, or a larger share of the training set."""
    taken = results.study.data.subsample
    if split in taken:
        others = {name: n for name, n in taken.items() if name != split}
        return hint("whole_split", f"data.subsample={inline(others)}", split=split)
    override = f"data.split.{split}_ratio={LARGE_RATIO}"
    ratio = getattr(results.study.data.split, f"{split}_ratio", None) or 0.0
    is_cut = results.card.splits[split].origin.cut_from_train and ratio < LARGE_RATIO and accepted(results.study, override)
    return hint("larger_split", *([override] if is_cut else []), split=split)


def _accuracy_error(results: StudyResults, n: int) -> dict[str, Any]:
    """The best arm's accuracy on n examples, where the head has accuracies, with its standard error.

    Where all answers are right, that is 0; in its place `lowest` is the one-sided 95 % bound of Clopper and Pearson (1934).
    """
    means = [row.mean for arm in results.summary.arms if (row := row_of(results, arm.arm, "accuracy")) is not None]
    if results.study.head.kind != "classification" or not means:
        return {}
    accuracy = max(means)
    if accuracy == 1.0:
        return {"accuracy": accuracy, "lowest": 0.05 ** (1 / n)}
    return {"accuracy": accuracy, "standard_error": math.sqrt(max(accuracy * (1 - accuracy), 0.0) / n)}
