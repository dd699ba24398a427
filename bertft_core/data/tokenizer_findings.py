"""Findings about texts and the encoder's tokenizer: control tokens in texts, and texts in a language that it does not know."""

import re
from collections.abc import Iterable, Iterator

import numpy as np

from bertft_core.data.data_findings import PreparedData, places
from bertft_core.data.examples import Example
from bertft_core.data.prepared_split import PreparedSplit
from bertft_core.records import DataFinding

MAX_UNKNOWN_RATIO = 0.01
MAX_TIMES_USUAL = 2.3
"""Subwords per word, compared with words of the vocabulary's own kind.

Measured with the default English encoder. Parts of whole English sets: medical notes 1.1, tweets 1.2, Python code 1.2. Single
samples of 20 to 125 words, written for this: URLs 1.3, code 1.4, slang 1.7, chemical names 2.0, a dense clinical note 2.2; hashes
and base64 4.2, which are found too. French 1.7, Spanish 1.9 and Vietnamese 1.6 are not found; German 2.5, Polish 2.6, Hindi 2.6,
Finnish 2.7, Turkish 2.9, Hebrew 4.1, Arabic 4.4, Korean 4.8, Greek 4.8, Russian 5.1 are. Chinese, Japanese and Thai are unknown
tokens instead.
"""
FEWEST_WORDS = 20
"""In fewer words a few names or numbers decide."""
WORD = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
    r"|[\w\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0dff]+|[^\w\s]"
)
"""A word, a punctuation mark, or a character of a script that is written without spaces (Chinese, Japanese, Thai, …).

Marks belong to their letter: those of Hindi and its neighbours, and of Arabic and Hebrew, are not `\\w`.
"""


def find_unknown_tokens(data: PreparedData) -> Iterator[DataFinding]:
    """Characters or words that are missing from the encoder's vocabulary."""
    for name, split in data.prepared.items():
        ratio = unknown_ratio(split)
        if ratio > MAX_UNKNOWN_RATIO:
            worst = np.argsort(-split.n_unknown, kind="stable")[: np.count_nonzero(split.n_unknown)]
            yield DataFinding(
                check="unknown_tokens",
                split=name,
                count=int(split.n_unknown.sum()),
                numbers={"ratio": ratio},
                examples=places(data.raw[name], (data.raw[name].examples[i] for i in worst)),
            )


def find_special_tokens(data: PreparedData) -> Iterator[DataFinding]:
    """Texts with the name of a control token, such as [SEP]: the encoder reads the token, not the characters."""
    names = sorted(data.tokenizer.special_tokens, key=len, reverse=True)
    if not names:
        return
    written = re.compile("|".join(map(re.escape, names)))
    for split, raw in data.raw.items():
        found = [(example, used) for example in raw.examples if (used := written.findall(" ".join(example.texts)))]
        if found:
            all_used = tuple(dict.fromkeys(name for _, names in found for name in names))
            shown = places(raw, (example for example, _ in found))
            yield DataFinding(check="special_tokens", split=split, count=len(found), names=all_used, examples=shown)


def find_foreign_text(data: PreparedData) -> Iterator[DataFinding]:
    """Splits whose words fall into many more subwords than the vocabulary's words are long for: another language or script."""
    for split, prepared in data.prepared.items():
        n_words, n_letters = _size(data.raw[split].examples)
        if n_words < FEWEST_WORDS or not data.tokenizer.mean_length:
            continue
        n_subwords = int(prepared.n_tokens.sum()) - prepared.n * prepared.n_special
        rate = n_subwords / n_words
        usual = max(1.0, n_letters / n_words / data.tokenizer.mean_length)
        if rate > MAX_TIMES_USUAL * usual:
            numbers = {"rate": rate, "usual": usual}
            yield DataFinding(check="foreign_text", split=split, count=n_subwords, numbers=numbers)


def _size(examples: Iterable[Example]) -> tuple[int, int]:
    """Number of words, and of letters in them; all words at once would take many times the memory of the texts."""
    n_words = n_letters = 0
    for example in examples:
        for text in example.texts:
            words = WORD.findall(text)
            n_words += len(words)
            n_letters += sum(map(len, words))
    return n_words, n_letters


def unknown_ratio(split: PreparedSplit) -> float:
    """Share of the tokens, without special ones, that are unknown to the encoder."""
    n_tokens = int(split.lengths.sum()) - split.n_windows * split.n_special
    return float(split.n_unknown.sum() / n_tokens) if n_tokens else 0.0


TOKENIZER_CHECKS = (find_unknown_tokens, find_foreign_text, find_special_tokens)
"""Checks of every head."""
