"""Examples with their source location."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from bertft_core.config import UserError
from bertft_core.records.data_card import SplitOrigin

Row = tuple[int, tuple[object, ...]]
"""Line (or row number where a format has no lines, from 1) and the cells of the wanted columns."""


class Answer(NamedTuple):
    """A span of a context that answers a question."""

    text: str
    start: int
    """Index of its first character in the context."""


Label = str | float | tuple[str, ...] | tuple[Answer, ...] | None
"""Target of an example: a label, a number, labels or tags, answers, or nothing."""


@dataclass(frozen=True, slots=True)
class Example:
    """A text or a pair of texts, a sentence of words, or a question with its context, with its target."""

    id: str
    """`<split>-<position in its source, from 0>`, or its id in the data; unchanged when it moves to another split."""
    texts: tuple[str, ...]
    label: Label
    line: int
    lines: tuple[int, ...] = ()
    """Line of each word, where every word has its own."""
    context: str = ""
    """Examples with the same context, or else the same texts and label, always stay in one split."""
    path: str = ""
    """File of an example that was added to a split; of the others it is the split's."""
    group: str = ""
    """Its value in the column `data.split.group`; examples of a group always stay in one split."""
    row_id: str = ""
    """Its value in the column of ids, where further examples refer to it."""
    source_id: str = ""
    """The example that this one was made from, if it is known: of a further training example, or of a pair in the other order."""

    @property
    def key(self) -> tuple[str, ...]:
        """The texts with case and white space normalised: examples with equal keys are duplicates."""
        return folded(self.texts)

    @property
    def copy_key(self) -> tuple[str, ...]:
        """Equal for examples with the same context, or else with the same normalised texts."""
        return (self.context,) if self.context else self.key

    @property
    def compared(self) -> tuple[str, ...]:
        """What is compared for near-duplicates: the context, or the words as one text, or the texts."""
        return (self.context,) if self.context else (" ".join(self.texts),) if self.lines else self.texts

    @property
    def label_names(self) -> tuple[str, ...]:
        """The label, or the labels or tags in order; empty for other targets."""
        label = (self.label,) if isinstance(self.label, str) else self.label
        return tuple(name for name in label if isinstance(name, str)) if isinstance(label, tuple) else ()

    @property
    def stratum(self) -> str:
        """Stratum for splitting: the label if there is exactly one, else the same for all examples."""
        return self.label if isinstance(self.label, str) else ""


def folded(texts: Iterable[str]) -> tuple[str, ...]:
    """The texts with case and white space normalised."""
    return tuple([" ".join(text.casefold().split()) for text in texts])


class SourceLocation(NamedTuple):
    """Where a row was read, for messages."""

    path: str
    line: int


@dataclass(frozen=True)
class RawSplit:
    """The examples of one split before tokenising."""

    examples: tuple[Example, ...]
    path: str
    """File or hub split they were read from, for messages."""
    origin: SplitOrigin
    """The same for the card, and how the split was made."""

    def path_of(self, example: Example) -> str:
        """File or hub split that an example was read from, for messages."""
        return example.path or self.path

    def derived(self, examples: tuple[Example, ...], **how: str | bool | int | dict[str, int]) -> RawSplit:
        """A split made from this one; `how` are fields of `SplitOrigin`."""
        return RawSplit(examples, self.path, self.origin.model_copy(update=how))

    @cached_property
    def keys(self) -> tuple[tuple[str, ...], ...]:
        """The `key` of every example."""
        return tuple(example.key for example in self.examples)

    @cached_property
    def copies(self) -> tuple[tuple[Example, ...], ...]:
        """The examples of every key that several have, in order of first occurrence."""
        groups: dict[tuple[str, ...], list[Example]] = {key: [] for key, n in Counter(self.keys).items() if n > 1}
        for example, key in zip(self.examples, self.keys, strict=True):
            if key in groups:
                groups[key].append(example)
        return tuple(map(tuple, groups.values()))

    @property
    def label_counts(self) -> dict[str, int]:
        """Label → number of examples, in order of first occurrence; of labels that are one name each."""
        counts: dict[str, int] = {}
        for example in self.examples:
            counts[example.stratum] = counts.get(example.stratum, 0) + 1
        return counts


ReadExample = Callable[[str, tuple[object, ...], SourceLocation], Example]
"""A name to give and the cells of a row → the example; raises `UserError` for a row that is none."""


def read_split(rows: Iterable[Row], *, name: str, path: str, read_example: ReadExample) -> RawSplit:
    """Turn rows into examples; raises `UserError` at the first invalid row, or if there are none."""
    examples = tuple(
        read_example(f"{name}-{position:05d}", cells, SourceLocation(path, line)) for position, (line, cells) in enumerate(rows)
    )
    if not examples:
        raise no_examples(path, "at least one labelled text")
    return RawSplit(examples, path, SplitOrigin(path=path))


def no_examples(path: str, expected: str) -> UserError:
    """The error for a file of a header, or of nothing that is an example."""
    problem = "the file has no examples"
    return UserError(problem, code="data.no-examples", path=path, line=1, expected=expected, hint="add examples")


def shorten(text: str, n_characters: int = 80) -> str:
    """The text on one line, shortened with an ellipsis."""
    flat = " ".join(text.split())
    return flat if len(flat) <= n_characters else flat[: n_characters - 1] + "…"


def as_found(value: object) -> str:
    """A cell as messages show it: `nothing` for a missing one, else as it is written in Python, shortened."""
    return "nothing" if value is None else shorten(repr(value))
