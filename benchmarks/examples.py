"""The benchmark's examples: made up with the lengths and word frequencies of film reviews, or taken from a file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bertft_core.config import UserError
from bertft_core.config.data_settings import FileData
from bertft_core.data.alignment import ALIGNMENTS
from bertft_core.data.examples import read_split
from bertft_core.data.readers import reader_of

MEAN_WORDS, SD_WORDS = 19.0, 9.3
"""Sentences of SST-2: 19 words on average (Kim 2014, table 1). A gamma law with these moments is uneven, without a long tail
that would flatter a trainer that does not pad."""
MIN_WORDS, MAX_WORDS = 2, 60
CUE_RATIO, RIGHT_CUE_RATIO = 0.15, 0.85
"""Share of words that carry the label, and how often they carry the right one: something to learn, not trivially."""
N_CUES = 60
CUE_RANKS = slice(300, 2000)
LABELS = ("negative", "positive")

LabelledText = tuple[str, str]
"""Text, label."""


@dataclass(frozen=True)
class ExampleFiles:
    """The two splits as JSONL files with the columns `text` and `label`."""

    train_path: Path
    validation_path: Path
    labels: tuple[str, ...]
    n_train: int
    n_validation: int
    origin: str
    """For the reader of the result: how the examples came about."""


def encoder_words(vocabulary: Mapping[str, int]) -> list[str]:
    """Whole lower-case words among an encoder's pieces, by id: in BERT's vocabularies the frequent ones come first.

    Raises `UserError` when they are too few to make texts of.
    """
    pieces = sorted(vocabulary, key=lambda piece: vocabulary[piece])
    words = (piece.lstrip("Ġ▁") for piece in pieces)
    found = list(dict.fromkeys(w for w in words if len(w) > 1 and w.isascii() and w.isalpha() and w.islower()))
    if len(found) < CUE_RANKS.stop:
        raise UserError(
            "no texts can be made from the encoder's vocabulary",
            found=f"{len(found)} lower-case English words in it",
            expected=f"at least {CUE_RANKS.stop}",
            hint="give texts with --file",
        )
    return found


def generate(n: int, words: Sequence[str], rng: np.random.Generator) -> list[LabelledText]:
    """`n` texts, both labels in turn; word frequencies follow Zipf–Mandelbrot, 1 / (rank + 2.7)."""
    weights = 1.0 / (np.arange(len(words)) + 2.7)
    weights /= weights.sum()
    cues = rng.choice(np.arange(len(words))[CUE_RANKS], size=(len(LABELS), N_CUES), replace=False)
    shape = (MEAN_WORDS / SD_WORDS) ** 2
    lengths = np.clip(np.rint(rng.gamma(shape, MEAN_WORDS / shape, size=n)), MIN_WORDS, MAX_WORDS).astype(int)
    examples = []
    for i, length in enumerate(lengths):
        label = i % len(LABELS)
        chosen = rng.choice(len(words), size=length, p=weights)
        is_cue = rng.random(length) < CUE_RATIO
        is_cue[rng.integers(length)] = True
        side = np.where(rng.random(length) < RIGHT_CUE_RATIO, label, 1 - label)
        chosen = np.where(is_cue, cues[side, rng.integers(N_CUES, size=length)], chosen)
        examples.append((" ".join(words[k] for k in chosen), LABELS[label]))
    return examples


def read_examples(path: Path, text: str, label: str, rng: np.random.Generator) -> list[LabelledText]:
    """Every labelled text of a CSV, TSV, JSONL or Parquet file, shuffled; raises `UserError` with file and line."""
    data = FileData(source="files", train=str(path), text=text, label=label)
    read_example = ALIGNMENTS["classification"].reader(data)
    split = read_split(reader_of(path)(path, (text, label)), name="file", path=str(path), read_example=read_example)
    examples = [(example.texts[0], example.label) for example in split.examples]
    return [examples[i] for i in rng.permutation(len(examples))]


def write_examples(
    examples: Sequence[LabelledText], directory: Path, *, n_train: int, n_validation: int, origin: str
) -> ExampleFiles:
    """The first `n_validation` for validation, the next ones, at most `n_train`, for training."""
    splits = {"validation": examples[:n_validation], "train": examples[n_validation : n_validation + n_train]}
    paths = {}
    for name, part in splits.items():
        paths[name] = directory / f"{name}.jsonl"
        lines = (json.dumps({"text": text, "label": label}) + "\n" for text, label in part)
        paths[name].write_text("".join(lines), encoding="utf-8")
    return ExampleFiles(
        train_path=paths["train"],
        validation_path=paths["validation"],
        labels=tuple(sorted({label for _, label in splits["train"]})),
        n_train=len(splits["train"]),
        n_validation=n_validation,
        origin=origin,
    )
