"""From tags as they are read to tags as they are learned: readable, valid in their scheme, converted, and known from train."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from bertft_core.config.data_settings import DataConfig
from bertft_core.config.errors import UserError, did_you_mean
from bertft_core.data import data_findings
from bertft_core.data.examples import Example, RawSplit, SourceLocation, shorten
from bertft_core.metrics import tag_schemes
from bertft_core.records import DataFinding

Tags = tuple[str, ...]
PLAIN = "data.scheme: plain and metric: f1_macro"
"""What a study of tags without entities sets: the usual metric counts entities."""


def trained_scheme(data: DataConfig) -> str:
    """The scheme of the labels. IOB1 is always converted: its labels are those of IOB2 with another meaning."""
    return data.train_scheme or ("iob2" if data.scheme == "iob1" else data.scheme)


def refuse_unreadable(words: Sequence[str], tags: Tags, lines: Sequence[int], data: DataConfig, place: SourceLocation) -> None:
    """Raise `UserError` at the first tag that cannot be read in `data.scheme`."""
    for position, message in tag_schemes.unreadable(tags, data.scheme):
        raise UserError(
            f"a tag cannot be read in the scheme {data.scheme}: {message.partition(', expected')[0]}",
            code="tag.unreadable",
            path=place.path,
            line=lines[position],
            found=f"'{tags[position]}' at word {position + 1} of the sentence, '{shorten(words[position], 40)}'",
            expected=_readable(data.scheme),
            hint=_remedy(tags[position]),
        )


def _remedy(tag: str) -> str:
    right = tag_schemes.respelt(tag)
    if right not in (None, tag):
        return f"write {right}; tags that mark no entities need {PLAIN}"
    if "-" not in tag:
        return f"set {PLAIN}, if the tags mark no entities (such as parts of speech); else correct the tag"
    return f"correct the tag, or set data.scheme to what the tags are; tags that mark no entities need {PLAIN}"


def _readable(scheme: str) -> str:
    letters = tag_schemes.LETTERS[scheme]
    return "'O' or " + ", ".join(f"{letter}-TYPE" for letter in letters) if letters else "a tag"


def repair_and_convert(splits: Mapping[str, RawSplit], data: DataConfig) -> tuple[dict[str, RawSplit], tuple[DataFinding, ...]]:
    """The splits with valid tags in the scheme that is trained on, and what was changed.

    Raises `UserError` at the first invalid tag where `data.invalid_tags` is 'refuse'.
    """
    found = [finding for name, split in splits.items() for finding in _repairs(name, split, data)]
    found += _misspelt(splits["train"], data)
    scheme = trained_scheme(data)
    converted = {}
    for name, split in splits.items():
        repaired = [tag_schemes.repair(example.label_names, data.scheme) for example in split.examples]
        tags = [tag_schemes.convert(valid, data.scheme, scheme) for valid in repaired]
        found += _merged(name, split, repaired, tags, data.scheme, scheme)
        examples = tuple(dataclasses.replace(e, label=label) for e, label in zip(split.examples, tags, strict=True))
        converted[name] = split.derived(examples)
    return converted, tuple(found)


def _misspelt(train: RawSplit, data: DataConfig) -> Iterator[DataFinding]:
    """Plain tags that look like entity tags with an error in each: as classes they have no entities."""
    wrong = tag_schemes.misspelt(tag for e in train.examples for tag in e.label_names) if data.scheme == "plain" else {}
    if wrong:
        shown = tuple(f"'{shorten(tag, 40)}' for {shorten(right, 40)}" for tag, right in wrong.items())
        yield DataFinding(check="misspelt_tags", split="train", count=len(wrong), examples=shown[: data_findings.N_SHOWN])


def _repairs(name: str, split: RawSplit, data: DataConfig) -> Iterator[DataFinding]:
    places: list[tuple[Example, int, str]] = []
    n_words = n_sentences = 0
    for example in split.examples:
        faults = dict(reversed(tag_schemes.violations(example.label_names, data.scheme)))  # the first of two at one word
        if faults and data.invalid_tags == "refuse":
            position = min(faults)
            raise UserError(
                f"the tags break the scheme {data.scheme}: {faults[position]}",
                code="tags.break-scheme",
                path=split.path,
                line=example.lines[position],
                found=f"{example.label_names[position]} at word {position + 1} of the sentence, '{example.texts[position]}'",
                expected=f"tags that are valid in {data.scheme}",
                hint="correct the tags, set data.scheme to theirs, or data.invalid_tags to repair",
            )
        places += [(example, position, faults[position]) for position in sorted(faults)][: data_findings.N_SHOWN - len(places)]
        n_words, n_sentences = n_words + len(faults), n_sentences + bool(faults)
    if places:
        yield DataFinding(
            check="repaired_tags",
            split=name,
            count=n_words,
            numbers={"n_sentences": n_sentences},
            names=(data.scheme, *_valid_scheme(split, data.scheme)),
            examples=tuple(data_findings.place(split.path_of(e), e.lines[i], fault) for e, i, fault in places),
        )


def _valid_scheme(split: RawSplit, scheme: str) -> tuple[str, ...]:
    """Another scheme in which all tags are valid, which is likely theirs; nothing if there is none."""
    for other in ("iob2", "iob1", "iobes"):
        if other != scheme and not any(tag_schemes.violations(example.label_names, other) for example in split.examples):
            return (other,)
    return ()


def _merged(
    name: str, split: RawSplit, before: Sequence[Tags], after: Sequence[Tags], source: str, target: str
) -> Iterator[DataFinding]:
    """IO cannot show where an entity ends and the next of its type begins."""
    if source == target or target != "io":
        return
    lost = [len(tag_schemes.read(b, source)) - len(tag_schemes.read(a, target)) for b, a in zip(before, after, strict=True)]
    if any(lost):
        places = [e for e, n in zip(split.examples, lost, strict=True) if n]
        yield DataFinding(
            check="merged_entities",
            split=name,
            count=sum(lost),
            examples=data_findings.places(split, places),
        )


def agree_on_tags(splits: Mapping[str, RawSplit], data: DataConfig) -> tuple[str, ...]:
    """The labels in order: those given, else every tag of the scheme for the types of train (plain: its tags, sorted).

    Raises `UserError` with file and line for a type, or a plain tag, that is not among those given or never in train; when train
    has a single tag or no entity; for given labels that are not all tags of their types; and for plain tags that are entity tags.
    """
    train, scheme = splits["train"], trained_scheme(data)
    learned = {kind for example in train.examples for kind in _kinds(example.label_names, scheme)}
    labels = tag_schemes.labels_of(learned, scheme)
    if data.labels is not None:
        labels = _given(data.labels, scheme)
        for split in splits.values():
            _refuse_others(split, labels, "is unknown", labels, "correct the tag, or add it to data.labels")
    if len(learned) < (2 if scheme == "plain" else 1):
        raise UserError(
            "the training set has one tag only" if scheme == "plain" else "the training set has no entity",
            code="tags.one-kind-only",
            path=train.path,
            line=train.examples[0].line,
            found=f"all words of {len(train.examples)} sentences are '{train.examples[0].label_names[0]}'",
            expected="at least two different tags",
            hint="check data.tags and data.scheme, or add tagged sentences",
        )
    if scheme == "plain" and tag_schemes.scheme_of(labels) != "plain":
        raise UserError(
            "the tags mark entities, but data.scheme is plain",
            code="tags.not-plain",
            path=train.path,
            line=train.examples[0].line,
            found=f"the tags {shorten(', '.join(labels), 120)}",
            expected="tags that are not all 'O' or B-TYPE, I-TYPE, E-TYPE, S-TYPE",
            hint=f"set data.scheme to {tag_schemes.scheme_of(labels)}",
        )
    known = tag_schemes.labels_of(learned, scheme)
    for name, split in splits.items():
        _refuse_others(split, known, f"occurs in {name} but never in train", known, f"add it to train, or remove it from {name}")
    return labels


def _kinds(tags: Tags, scheme: str) -> set[str]:
    """Entity types, or plain tags themselves."""
    return set(tags) if scheme == "plain" else {tag.partition("-")[2] for tag in tags if tag != tag_schemes.OUTSIDE}


def _given(labels: tuple[str, ...], scheme: str) -> tuple[str, ...]:
    """Labels of an entity scheme are all tags of their types, in any order."""
    if scheme == "plain":
        return labels
    for _, message in tag_schemes.unreadable(labels, scheme):
        raise UserError(
            f"data.labels: {message}",
            code="tags.unreadable-list",
            found=shorten(", ".join(labels), 120),
            hint="correct data.labels",
        )
    wanted = tag_schemes.labels_of(_kinds(labels, scheme), scheme)
    if set(labels) != set(wanted):
        raise UserError(
            f"data.labels are not all tags of their types in the scheme {scheme}",
            code="tags.incomplete-list",
            found=shorten(", ".join(labels), 120),
            expected=shorten(", ".join(wanted), 120),
            hint="list all of them, or remove data.labels",
        )
    return labels


def _refuse_others(split: RawSplit, known: Sequence[str], what: str, expected: Sequence[str], hint: str) -> None:
    among = set(known)
    for example in split.examples:
        for position, tag in enumerate(example.label_names):
            if tag not in among:
                raise UserError(
                    f"the tag '{tag}' {what}",
                    code="tag.unknown",
                    path=split.path,
                    line=example.lines[position],
                    found=f"'{tag}' at word {position + 1} of the sentence, '{shorten(example.texts[position], 40)}'",
                    expected=f"one of {shorten(', '.join(expected), 200)}",
                    hint=_nearest(tag, known) or hint,
                )


def _nearest(tag: str, known: Sequence[str]) -> str | None:
    """By type: the prefixes of entity tags make all of them similar."""
    if tag_schemes.scheme_of(known) == "plain":
        return did_you_mean(tag, known)
    return did_you_mean(tag.partition("-")[2], [label.partition("-")[2] for label in known])
