"""From start and end logits to the best answers of a question, over all windows of its context at once."""

from typing import NamedTuple

import numpy as np

MAX_PAIRS = 4_000_000
"""Pairs of a start and an end scored at once: bounds the memory."""


class NBest(NamedTuple):
    """The best answers of one question, best first; c of them."""

    starts: np.ndarray
    """int32 [c]: first character in the context."""
    ends: np.ndarray
    """int32 [c]: the character behind the last."""
    scores: np.ndarray
    """float32 [c]: start logit + end logit."""


def null_scores(logits: np.ndarray, nulls: np.ndarray, window_lengths: np.ndarray, windows_of: np.ndarray) -> np.ndarray:
    """The score of "no answer": start + end logit of the null token, in the window where that is lowest. float32 [n].

    A question is unanswerable only if every window says so, and a window without the answer says so even where another has it:
    the window that counts is the one that most believes in an answer. This is `score_null` of Google's run_squad.py and of the
    transformers examples.
    `logits` [T, 2], `nulls` [w] counted in their windows, `window_lengths` [w], `windows_of` [n].
    """
    at = np.cumsum(window_lengths) - window_lengths + nulls
    return np.minimum.reduceat(logits[at].sum(1), np.cumsum(windows_of) - windows_of)


def best_answers(
    logits: np.ndarray,
    offsets: np.ndarray,
    window_lengths: np.ndarray,
    windows_of: np.ndarray,
    n_best: int,
    max_answer_length: int,
) -> list[NBest]:
    """The `n_best` answers of each of n questions; fewer or none where no start among the best fits an end among them.

    In every window the `n_best` starts are combined with the `n_best` ends among the tokens of the context; a pair is an answer
    when its end is not before its start and it has at most `max_answer_length` tokens. Of answers with the same characters the
    best is kept. Equal scores keep the order of windows, then of start ranks.
    `logits` [T, 2] float32, `offsets` [T, 2] (negative: outside the context), `window_lengths` [w], `windows_of` [n].
    """
    question = np.repeat(np.arange(len(windows_of)), windows_of)
    first = np.cumsum(window_lengths) - window_lengths
    per_block = max(1, MAX_PAIRS // min(n_best, int(window_lengths.max())) ** 2)
    found = []
    for start in range(0, len(window_lengths), per_block):
        block = slice(start, start + per_block)
        window, tokens, scores = _pairs(logits, offsets, first[block], window_lengths[block], n_best, max_answer_length)
        found.append((question[block][window], offsets[tokens[0], 0], offsets[tokens[1], 1], scores))
    rows = (np.concatenate(column) for column in zip(*found, strict=True))
    return _merged(len(windows_of), n_best, *rows)


def _pairs(
    logits: np.ndarray, offsets: np.ndarray, first: np.ndarray, lengths: np.ndarray, n_best: int, max_answer_length: int
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Window, (start token, end token) of the T, and score of the best answers in each window, window by window."""
    column = np.arange(lengths.max())
    tokens = np.where(column < lengths[:, None], first[:, None] + column, 0)
    usable = (column < lengths[:, None]) & (offsets[tokens, 0] >= 0)
    k = min(n_best, len(column))
    starts, ends = (np.argsort(-np.where(usable, logits[tokens, side], -np.inf), axis=1, kind="stable")[:, :k] for side in (0, 1))
    row = np.arange(len(first))[:, None]
    scores = logits[tokens[row, starts], 0][:, :, None] + logits[tokens[row, ends], 1][:, None, :]
    n_tokens = ends[:, None, :] - starts[:, :, None] + 1
    allowed = usable[row, starts][:, :, None] & usable[row, ends][:, None, :] & (n_tokens >= 1) & (n_tokens <= max_answer_length)
    allowed &= offsets[tokens[row, starts], 0][:, :, None] < offsets[tokens[row, ends], 1][:, None, :]
    flat = np.where(allowed, scores, -np.inf).reshape(len(first), -1)
    best = np.argsort(-flat, axis=1, kind="stable")[:, :n_best]
    window, rank = np.nonzero(np.isfinite(flat[row, best]))
    chosen = best[window, rank]
    start, end = starts[window, chosen // k], ends[window, chosen % k]
    return window, (tokens[window, start], tokens[window, end]), flat[window, chosen]


def _merged(n: int, n_best: int, question: np.ndarray, starts: np.ndarray, ends: np.ndarray, scores: np.ndarray) -> list[NBest]:
    """The best answers of each question, each with other characters."""
    order = np.lexsort((-scores, question))
    question, starts, ends, scores = question[order], starts[order], ends[order], scores[order]
    width = int(ends.max(initial=0)) + 1
    _, firsts = np.unique((question * width + starts) * width + ends, return_index=True)
    firsts.sort()
    bounds = np.searchsorted(question[firsts], np.arange(n + 1))
    kept = [firsts[bounds[i] : bounds[i + 1]][:n_best] for i in range(n)]
    return [NBest(starts[rows].astype(np.int32), ends[rows].astype(np.int32), scores[rows].astype(np.float32)) for rows in kept]
