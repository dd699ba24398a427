"""What an encoder's tokenizer file says about its vocabulary, read without loading the tokenizer."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

MARKS = ("▁", "Ġ", "##", "</w>")
"""How SentencePiece, byte-level BPE, WordPiece and BPE mark that a subword begins, continues or ends a word."""


class TokenizerFacts(NamedTuple):
    """Control tokens and the length of a usual subword."""

    special_tokens: tuple[str, ...] = ()
    """Their names, such as [SEP]: in a text they are read as control tokens."""
    mean_length: float = 0.0
    """Characters of a subword, as a mean over the vocabulary; 0 where it is not known."""


NO_FACTS = TokenizerFacts()


def tokenizer_facts(directory: Path) -> TokenizerFacts:
    """The facts of the tokenizer in a folder; what cannot be read there is left out, as loading it says what is wrong."""
    try:
        written = json.loads((directory / "tokenizer.json").read_text(encoding="utf-8"))
        special = tuple(token["content"] for token in written["added_tokens"] if token["special"])
        return TokenizerFacts(special, _mean_length(_names(written["model"]["vocab"]), special))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return NO_FACTS


def _names(vocabulary: Any) -> Iterable[str]:
    """A dictionary of ids, or of a unigram model a list of tokens with their scores."""
    return vocabulary if isinstance(vocabulary, dict) else [token for token, _ in vocabulary]


def _mean_length(names: Iterable[str], special: Iterable[str]) -> float:
    known = set(special)
    lengths = [len(_unmarked(name)) for name in names if name not in known]
    return sum(lengths) / len(lengths) if lengths else 0.0


def _unmarked(name: str) -> str:
    for mark in MARKS:
        name = name.removeprefix(mark).removesuffix(mark)
    return name
