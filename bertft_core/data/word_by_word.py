"""Texts tokenised word by word: a BERT tokenizer cuts a text at its spaces before all else, so each word is looked up once."""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

KEPT_CHARACTERS = 2_000_000
"""Of the words whose tokens are remembered: about 70 MiB with their tokens."""
PROBE = "a"
OF_BERT = {("BertNormalizer", "BertPreTokenizer", "WordPiece", last) for last in ("TemplateProcessing", "BertProcessing")}
"""The parts of a tokenizer: they are classes of the tokenizers library."""

Encode = Callable[[Sequence[Any], bool], Sequence[Any]]
"""Texts or pairs, and whether special tokens belong to them → `ids`, `type_ids` and `sequence_ids` of each."""
Input = tuple[NDArray[np.int32], NDArray[np.int8]]
"""Ids and token types."""


class _Piece(NamedTuple):
    """A part of every input: special tokens, or one of its texts, of which the token type is in `types`."""

    text: int | None
    ids: bytes
    types: bytes


def cuts_at_spaces(backend: Any) -> bool:
    """Whether the tokens of every text are those of the parts between its spaces, one after another.

    BERT's normaliser changes a character by itself or with the marks after it, no word of BERT's has a space, and WordPiece looks
    at one word at a time. Only an added token with a space in it could reach over one.
    """
    parts = (backend.normalizer, backend.pre_tokenizer, backend.model, backend.post_processor)
    added = backend.get_added_tokens_decoder().values()
    return tuple(type(part).__name__ for part in parts) in OF_BERT and not any(
        token.normalized or any(map(str.isspace, token.content)) for token in added
    )


class WordByWord:
    """The inputs of whole texts, or of pairs, made of the tokens of their words; see `cuts_at_spaces`."""

    def __init__(self, encode: Encode, n_texts: int) -> None:
        self._encode = encode
        self._pieces = _pieces(encode([(PROBE,) * n_texts if n_texts > 1 else PROBE], True)[0])
        self._tokens: dict[str, bytes] = {}
        self._n_kept = 0

    def __call__(self, texts: Sequence[tuple[str, ...]]) -> list[Input]:
        """The input of each text or pair, which is not truncated."""
        words = [[part.split(" ") for part in text] for text in texts]
        self._learn({word for text in words for part in text for word in part})
        return [self._input(text) for text in words]

    def _learn(self, words: set[str]) -> None:
        if self._n_kept > KEPT_CHARACTERS:
            self._tokens.clear()
            self._n_kept = 0
        new = [word for word in words if word not in self._tokens]
        self._n_kept += sum(map(len, new))
        self._tokens.update(
            (word, _bytes(found.ids, np.int32)) for word, found in zip(new, self._encode(new, False), strict=True)
        )

    def _input(self, text: list[list[str]]) -> Input:
        ids, types = [], []
        for piece in self._pieces:
            tokens = piece.ids if piece.text is None else b"".join([self._tokens[word] for word in text[piece.text]])
            ids.append(tokens)
            types.append(piece.types if piece.text is None else piece.types * (len(tokens) // 4))
        return np.frombuffer(b"".join(ids), np.int32), np.frombuffer(b"".join(types), np.int8)


def _pieces(probe: Any) -> list[_Piece]:
    """What every input is made of, from one whose texts are all `PROBE`."""
    pieces = []
    for text, places in groupby(range(len(probe.ids)), lambda i: probe.sequence_ids[i]):
        inside = list(places)
        types = [probe.type_ids[i] for i in (inside if text is None else inside[:1])]
        pieces.append(_Piece(text, _bytes([probe.ids[i] for i in inside], np.int32), _bytes(types, np.int8)))
    return pieces


def _bytes(values: Sequence[int], kind: DTypeLike) -> bytes:
    return np.array(values, kind).tobytes()
