"""Splits of labelled texts before they are tokenised."""

from __future__ import annotations

from bertft_core.data.examples import Example, RawSplit
from bertft_core.records.data_card import SplitOrigin


def raw(name: str, labels: list[str], texts: list[str] | None = None) -> RawSplit:
    texts = texts or [f"text {i} of {name}" for i in range(len(labels))]
    rows = zip(texts, labels, strict=True)
    examples = tuple(Example(f"{name}-{i:05d}", (text,), label, i + 2) for i, (text, label) in enumerate(rows))
    return RawSplit(examples, f"{name}.csv", SplitOrigin(path=f"{name}.csv"))


def ids(split: RawSplit) -> list[str]:
    return [example.id for example in split.examples]


TRAIN = raw("train", ["a"] * 60 + ["b"] * 30 + ["c"] * 10)
