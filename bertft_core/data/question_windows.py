"""Questions with their contexts as windows of tokens, and the position of an answer in them, by offsets.

A window is [CLS] question [SEP] context [SEP], or the encoder's equivalent; neighbours share tokens of the context.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

OUTSIDE = -1
"""Offset of a token where no answer may begin or end: of the question, special, or without a visible character."""
NO_TARGET = -1
"""Target of a window that is not trained on."""
CHUNK = 1000

Span = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """One input of the encoder, with L tokens."""

    input_ids: np.ndarray
    """int32 [L]"""
    token_type_ids: np.ndarray
    """int8 [L]"""
    offsets: np.ndarray
    """int32 [L, 2]: characters of the context as [start, end), without white space; or OUTSIDE twice."""
    null: int
    """Position of the token that means "no answer here": [CLS] or the encoder's equivalent."""
    n_context: int
    """Number of context tokens."""


def question_lengths(tokenizer: Any, questions: Sequence[str]) -> list[int]:
    """Tokens of each question, without special tokens."""
    lengths: list[int] = []
    for start in range(0, len(questions), CHUNK):
        encoded = tokenizer(list(questions[start : start + CHUNK]), add_special_tokens=False, verbose=False)
        lengths += [len(ids) for ids in encoded["input_ids"]]
    return lengths


def question_windows(
    tokenizer: Any, questions: Sequence[str], contexts: Sequence[str], max_length: int, overlap: int
) -> Iterator[list[Window]]:
    """The windows of each question, which together hold its whole context; neighbours share `overlap` tokens of it.

    Every question must leave room for more than `overlap` tokens in `max_length`.
    """
    for start in range(0, len(questions), CHUNK):
        asked, of = list(questions[start : start + CHUNK]), list(contexts[start : start + CHUNK])
        encoded = tokenizer(
            asked,
            of,
            truncation="only_second",
            max_length=max_length,
            stride=overlap,
            return_overflowing_tokens=True,
            padding=False,
            verbose=False,
        )
        windows: list[list[Window]] = [[] for _ in asked]
        for encoding, i in zip(encoded.encodings, encoded["overflow_to_sample_mapping"], strict=True):
            windows[i].append(_window(encoding, of[i], tokenizer.cls_token_id))
        yield from windows


def _window(encoding: Any, context: str, cls_token_id: int | None) -> Window:
    ids = np.array(encoding.ids, np.int32)
    texts = encoding.sequence_ids  # of each token: 0 the question, 1 the context, None a special token
    spans = zip(texts, encoding.offsets, strict=True)
    offsets = [(text == 1 and without_spaces(context, *span)) or (OUTSIDE, OUTSIDE) for text, span in spans]
    special = np.array([text is None for text in texts])
    nulls = np.flatnonzero((ids == cls_token_id) & special)
    return Window(
        input_ids=ids,
        token_type_ids=np.array(encoding.type_ids, np.int8),
        offsets=np.array(offsets, np.int32),
        null=int(nulls[0]) if len(nulls) else 0,
        n_context=texts.count(1),
    )


def without_spaces(context: str, start: int, end: int) -> Span | None:
    """The span [start, end) without white space at both ends; None if nothing is left."""
    if start < end and not context[start].isspace() and not context[end - 1].isspace():
        return start, end
    text = context[start:end]
    visible = text.strip()
    if not visible:
        return None
    start += len(text) - len(text.lstrip())
    return start, start + len(visible)


def targets_of(windows: Sequence[Window], answer: Span | None) -> list[Span]:
    """First and last token of the answer in each window; the null token in windows that do not contain all of it.

    `answer` is [start, end) in the context; None for an unanswerable question. If no window contains the whole answer, its
    longest part is the target. If no token overlaps the answer (the tokenizer drops its characters), there is no target:
    NO_TARGET twice in all windows.
    """
    if answer is None:
        return [(window.null, window.null) for window in windows]
    parts = [_tokens_of(window, answer) for window in windows]
    reach = [None if part is None else characters(window, part) for window, part in zip(windows, parts, strict=True)]
    found = [span for span in reach if span is not None]
    if not found:
        return [(NO_TARGET, NO_TARGET)] * len(windows)
    whole = (min(start for start, _ in found), max(end for _, end in found))
    if whole not in found:
        whole = max(found, key=lambda span: span[1] - span[0])
    return [
        part if part is not None and span == whole else (window.null, window.null)
        for window, part, span in zip(windows, parts, reach, strict=True)
    ]


def _tokens_of(window: Window, answer: Span) -> Span | None:
    """First and last token that overlaps the answer."""
    starts, ends = window.offsets.T
    inside = np.flatnonzero((starts != OUTSIDE) & (starts < answer[1]) & (ends > answer[0]))
    return (int(inside[0]), int(inside[-1])) if len(inside) else None


def characters(window: Window, tokens: Span) -> Span:
    """The span of the context that a run of tokens covers."""
    return int(window.offsets[tokens[0], 0]), int(window.offsets[tokens[1], 1])


def text_read(windows: Sequence[Window], targets: Sequence[Span], context: str) -> str:
    """The answer text that the target tokens give, or '' where no window has a target."""
    for window, tokens in zip(windows, targets, strict=True):
        if tokens[0] not in (NO_TARGET, window.null):
            start, end = characters(window, tokens)
            return context[start:end]
    return ""
