"""Findings: what is worth knowing about the data but does not stop a study. Errors that do stop it are raised while reading."""

import dataclasses
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

from bertft_core.config.data_settings import RESERVED_SPLITS, DataConfig
from bertft_core.data import near_duplicates
from bertft_core.data.examples import Example, Label, RawSplit, folded, shorten
from bertft_core.data.prepared_split import PreparedSplit
from bertft_core.data.tokenizer_facts import NO_FACTS, TokenizerFacts
from bertft_core.records import DataFinding

MAX_CLASS_RATIO = 3.0
"""Largest : smallest class of a balanced training set."""
MAX_TRUNCATED_RATIO = 0.05
MIN_CHARACTERS = 3
"""Letters and digits of a text that is not very short."""
LONG_ENOUGH = re.compile(rf"(?:[^\W_].*?){{{MIN_CHARACTERS}}}", re.DOTALL)
N_SHOWN = 3
Near = dict[tuple[tuple[str, ...], ...], NDArray[np.int64]]
"""Texts → their nearest near-duplicates in train, found once for all arms."""


@dataclass(frozen=True)
class PreparedData:
    """All splits, raw and tokenised, with the same rows in the same order."""

    raw: Mapping[str, RawSplit]
    prepared: Mapping[str, PreparedSplit]
    labels: tuple[str, ...]
    max_length: int
    tokenizer: TokenizerFacts = NO_FACTS
    settings: DataConfig | None = None
    """The study's data section; without it, checks that ask how files are read find nothing."""
    near: Near = field(default_factory=dict)


def find_duplicates(data: PreparedData) -> Iterator[DataFinding]:
    """Texts that occur more than once in a split, ignoring case and white space."""
    for name, split in data.raw.items():
        copies = [example for group in split.copies for example in group[1:]]
        if copies:
            yield DataFinding(check="duplicates", split=name, count=len(copies), examples=places(split, copies))


def find_conflicts(data: PreparedData) -> Iterator[DataFinding]:
    """Texts that occur more than once with different labels."""
    for name, split in data.raw.items():
        conflicting = [group[-1] for group in split.copies if len({example.label for example in group}) > 1]
        if conflicting:
            yield DataFinding(check="conflicting_labels", split=name, count=len(conflicting), examples=places(split, conflicting))


def find_overlap(data: PreparedData) -> Iterator[DataFinding]:
    """Texts that are in two splits: scores on the second are too good."""
    for (first, left), (second, right) in itertools.combinations(data.raw.items(), 2):
        known = set(left.keys)
        shared = [example for example, key in zip(right.examples, right.keys, strict=True) if key in known]
        if shared:
            yield DataFinding(check="overlap", split=second, count=len(shared), names=(first,), examples=places(right, shared))


def find_conflicting_overlap(data: PreparedData) -> Iterator[DataFinding]:
    """Texts that are in two splits with different labels: one of the two is wrong, whatever a model answers."""
    for (first, left), (second, right) in itertools.combinations(data.raw.items(), 2):
        known: dict[tuple[str, ...], set[Label]] = {key: set() for key in set(left.keys).intersection(right.keys)}
        for example, key in zip(left.examples, left.keys, strict=True):
            if key in known:
                known[key].add(example.label)
        keyed = zip(right.examples, right.keys, strict=True)
        other = [example for example, key in keyed if key in known and example.label not in known[key]]
        if other:
            yield DataFinding(
                check="conflicting_overlap", split=second, count=len(other), names=(first,), examples=places(right, other)
            )


def find_shared_groups(data: PreparedData) -> Iterator[DataFinding]:
    """Groups that are in two given splits: what is learned of a patient or an author makes scores on the second too good."""
    for (first, left), (second, right) in itertools.combinations(data.raw.items(), 2):
        known = {example.group for example in left.examples if example.group}
        shared = [example for example in right.examples if example.group in known]
        if shared:
            groups: dict[str, Example] = {}
            for example in shared:
                groups.setdefault(example.group, example)
            yield DataFinding(
                check="shared_groups",
                split=second,
                count=len(shared),
                numbers={"n_groups": len(groups)},
                names=(first,),
                examples=tuple(place(right.path_of(e), e.line, group) for group, e in list(groups.items())[:N_SHOWN]),
            )


def find_near_duplicates(data: PreparedData) -> Iterator[DataFinding]:
    """Texts that are nearly as in train, and not copies, which `find_overlap` finds: scores on them are too good."""
    train = data.raw["train"]
    others, nearest = look_for_near(data.raw, data.near)
    for name in data.raw:
        pairs = [(e, train.examples[k]) for (split, e), k in zip(others, nearest, strict=True) if split == name and k >= 0]
        if pairs:
            shown = (" ≈ ".join((*places(data.raw[name], [e]), *places(train, [other]))) for e, other in pairs[:N_SHOWN])
            numbers = {"min_similarity": near_duplicates.MIN_SIMILARITY}
            yield DataFinding(
                check="near_duplicates", split=name, count=len(pairs), numbers=numbers, names=("train",), examples=tuple(shown)
            )


def look_for_near(raw: Mapping[str, RawSplit], known: Near) -> tuple[list[tuple[str, Example]], NDArray[np.int64]]:
    """Of every example that is neither in train nor a copy of one its split, and its nearest in train; kept in `known`."""
    train = raw["train"]
    copies, rest = set(_folded(train)), [(name, split) for name, split in raw.items() if name != "train"]
    others = [
        (name, e) for name, split in rest for e, key in zip(split.examples, _folded(split), strict=True) if key not in copies
    ]
    key = tuple(example.compared for example in (*train.examples, *(example for _, example in others)))
    if key not in known:
        texts = [near_duplicates.text_of(parts) for parts in key]
        known[key] = near_duplicates.nearest_of(texts[: len(train.examples)], texts[len(train.examples) :])
    return others, known[key]


def _folded(split: RawSplit) -> Iterator[tuple[str, ...]]:
    """What is compared of every example, with case and white space normalised: mostly its key."""
    for example, key in zip(split.examples, split.keys, strict=True):
        yield key if example.compared is example.texts else folded(example.compared)


def find_imbalance(data: PreparedData) -> Iterator[DataFinding]:
    """Training classes of very different size: accuracy is then flattering, and small classes may never be learned."""
    counts = {label: data.raw["train"].label_counts.get(label, 0) for label in data.labels}
    largest, smallest = max(counts, key=lambda label: counts[label]), min(counts, key=lambda label: counts[label])
    if counts[largest] > MAX_CLASS_RATIO * counts[smallest]:
        numbers = {"n_largest": counts[largest]}
        names = (largest, smallest)
        yield DataFinding(check="class_balance", split="train", count=counts[smallest], numbers=numbers, names=names)


def find_truncated(data: PreparedData) -> Iterator[DataFinding]:
    """Inputs whose end the model never sees."""
    for name, split in data.prepared.items():
        cut = np.flatnonzero(split.truncated(data.max_length))
        if len(cut) > MAX_TRUNCATED_RATIO * split.n:
            yield DataFinding(
                check="truncated",
                split=name,
                count=len(cut),
                numbers={"n_examples": split.n, "max_length": data.max_length, "longest": int(split.n_tokens.max())},
                examples=places(data.raw[name], (data.raw[name].examples[i] for i in cut)),
            )


def find_very_short(data: PreparedData) -> Iterator[DataFinding]:
    """Texts too short to carry their label."""
    for name, split in data.raw.items():
        short = [e for e in split.examples if not all(map(LONG_ENOUGH.search, e.texts))]
        if short:
            numbers = {"min_characters": MIN_CHARACTERS}
            yield DataFinding(check="very_short", split=name, count=len(short), numbers=numbers, examples=places(split, short))


Check = Callable[[PreparedData], Iterator[DataFinding]]
OF_EVERY_HEAD: tuple[Check, ...] = (find_near_duplicates, find_shared_groups)
"""What is looked for whatever the head, beside the checks of its alignment."""

BETWEEN_SPLITS: tuple[Check, ...] = (find_overlap, find_conflicting_overlap)
"""What is looked for in every split of a split design too: further examples may be copies of others than their source."""


def find_all(data: PreparedData, checks: Iterable[Check]) -> tuple[DataFinding, ...]:
    """The findings of every check, in their order."""
    return tuple(finding for check in checks for finding in check(data))


def find_most(splits: Iterable[PreparedData], checks: Iterable[Check]) -> tuple[DataFinding, ...]:
    """Of each finding about two parts of a split the largest one over all splits of a split design."""
    listed, most = tuple(checks), dict[tuple[str, str, tuple[str, ...]], DataFinding]()
    for split in splits:
        parts = {name: raw for name, raw in split.raw.items() if name in RESERVED_SPLITS}
        for finding in find_all(dataclasses.replace(split, raw=parts), listed):
            key = (finding.check, finding.split, finding.names)
            most[key] = max(most.get(key, finding), finding, key=lambda each: each.count)
    return tuple(most.values())


def places(split: RawSplit, examples: Iterable[Example]) -> tuple[str, ...]:
    """File, line and the beginning of the texts of the first few."""
    shown = itertools.islice(examples, N_SHOWN)
    return tuple(place(split.path_of(e), e.line, (" " if e.lines else " ‖ ").join(e.texts)) for e in shown)


def place(path: str, line: int, text: str) -> str:
    """File, line and the beginning of a text."""
    return f"{PurePath(path).name}:{line}: {shorten(text, 70)}"
