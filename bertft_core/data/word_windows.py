"""Sentences of words as windows of subwords: every word has a subword and belongs to exactly one window."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

CHUNK = 10_000


class Windows(NamedTuple):
    """The windows of one sentence, from left to right, as ranges of its words."""

    first: Ints
    """[windows] index of the first word."""
    last: Ints
    """[windows] index after the last word."""
    owner: Ints
    """[words] the window in which a word is trained and scored, ascending."""


class Frame(NamedTuple):
    """The special tokens around a window with their token types, and the token type between them."""

    before: list[int]
    after: list[int]
    types_before: list[int]
    types_after: list[int]
    type_between: int


class Sentence(NamedTuple):
    """A sentence as stored; arrays are int32, token types int8."""

    input_ids: NDArray[np.int32]
    """[T] all windows concatenated, special tokens included."""
    token_type_ids: NDArray[np.int8]
    """[T]"""
    window_lengths: NDArray[np.int32]
    """[windows]"""
    word_starts: NDArray[np.int32]
    """[words] position of a word's first subword in its owner, among all T tokens; ascending."""
    word_lengths: NDArray[np.int32]
    """[words] subwords of each word, at least 1."""
    n_tokens: int
    """Length of the whole sentence in one window, before truncation."""
    n_cut: int
    """Words that alone are longer than a window and are truncated."""


def word_windows(lengths: Ints, capacity: int, overlap: int) -> Windows:
    """Windows of whole words for words of `lengths` subwords [words], each from 1 to `capacity`.

    A window has at most `capacity` subwords. Neighbours share at least `overlap` subwords, or as many as the next word leaves
    room for. A word is owned by the window where it has the most context: the largest min(subwords to its left, to its right),
    the first of equals. Windows that own nothing are left out.
    """
    starts = np.concatenate([[0], np.cumsum(lengths)])
    first, found = 0, []
    while True:
        last = int(np.searchsorted(starts, starts[first] + capacity, side="right")) - 1
        found.append((first, last))
        if last == len(lengths):
            break
        sharing = int(np.searchsorted(starts, starts[last] - overlap, side="right")) - 1
        leaving_room = int(np.searchsorted(starts, starts[last + 1] - capacity, side="left"))
        first = max(sharing, leaving_room)
    owner, context = np.zeros(len(lengths), np.int64), np.full(len(lengths), -1)
    for number, (first, last) in enumerate(found):
        left, right = starts[first:last] - starts[first], starts[last] - starts[first + 1 : last + 1]
        here = np.minimum(left, right)
        better = here > context[first:last]
        owner[first:last][better] = number
        context[first:last][better] = here[better]
    kept, owner = np.unique(owner, return_inverse=True)
    firsts, lasts = np.array(found, np.int64)[kept].T
    return Windows(firsts, lasts, owner)


def lay_out(subwords: Sequence[NDArray[np.int32]], frame: Frame, max_length: int, overlap: int) -> Sentence:
    """The windows of a sentence from the subwords of its words, at least one each."""
    whole = np.array([len(word) for word in subwords], np.int64)
    n_special = len(frame.before) + len(frame.after)
    lengths = np.minimum(whole, max_length - n_special)
    windows = word_windows(lengths, max_length - n_special, overlap)
    ids: list[int] = []
    types: list[int] = []
    places: list[int] = []
    for first, last in zip(windows.first, windows.last, strict=True):
        inside = np.concatenate([word[:length] for word, length in zip(subwords[first:last], lengths[first:last], strict=True)])
        places.append(len(ids) + len(frame.before))
        ids += [*frame.before, *inside.tolist(), *frame.after]
        types += [*frame.types_before, *[frame.type_between] * len(inside), *frame.types_after]
    starts = np.cumsum(lengths) - lengths
    shift = np.array(places) - starts[windows.first]
    return Sentence(
        input_ids=np.array(ids, np.int32),
        token_type_ids=np.array(types, np.int8),
        window_lengths=np.diff([*places, len(ids) + len(frame.before)]).astype(np.int32),
        word_starts=(starts + shift[windows.owner]).astype(np.int32),
        word_lengths=lengths.astype(np.int32),
        n_tokens=int(whole.sum()) + n_special,
        n_cut=int((whole > lengths).sum()),
    )


def subwords_of(tokenizer: Any, words: Iterable[str]) -> dict[str, NDArray[np.int32]]:
    """Word → its subwords, each word tokenised by itself after a space; a word without subwords becomes the unknown token.

    The same as a fast tokenizer of transformers with `is_split_into_words=True`, and `add_prefix_space=True` where the family
    needs it (RoBERTa marks words by the space before them).
    """
    space = " " if _needs_space(json.loads(tokenizer.backend_tokenizer.to_str()).get("pre_tokenizer")) else ""
    unknown = tokenizer.unk_token_id if tokenizer.unk_token_id is not None else tokenizer.pad_token_id or 0
    distinct = sorted(set(words))
    found: dict[str, NDArray[np.int32]] = {}
    for start in range(0, len(distinct), CHUNK):
        chunk = distinct[start : start + CHUNK]
        texts = [word if word[0].isspace() else space + word for word in chunk]
        rows = tokenizer(texts, add_special_tokens=False, return_attention_mask=False, verbose=False)["input_ids"]
        found |= {word: np.array(row or [unknown], np.int32) for word, row in zip(chunk, rows, strict=True)}
    return found


def frame_of(tokenizer: Any) -> Frame:
    """The special tokens that the tokenizer puts around a text."""
    probe = "a"
    inside = tokenizer(probe, add_special_tokens=False, verbose=False)["input_ids"]
    whole = tokenizer(probe, return_token_type_ids=True, verbose=False)
    ids, types = whole["input_ids"], whole["token_type_ids"]
    start = next(i for i in range(len(ids)) if ids[i : i + len(inside)] == inside)
    end = start + len(inside)
    return Frame(ids[:start], ids[end:], types[:start], types[end:], types[start])


def _needs_space(settings: Any) -> bool:
    """Whether a pre-tokenizer marks words by the space before them and does not add it itself."""
    if isinstance(settings, list):
        return any(map(_needs_space, settings))
    if not isinstance(settings, dict):
        return False
    bare = settings.get("type") == "ByteLevel" and not settings.get("add_prefix_space")
    unmarked = settings.get("type") == "Metaspace" and settings.get("prepend_scheme") == "never"
    return bare or unmarked or any(map(_needs_space, settings.values()))
