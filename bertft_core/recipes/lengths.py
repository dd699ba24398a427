"""How long inputs are read: the 99th percentile rounded up, within what the encoder reads; longer documents in windows."""

from __future__ import annotations

from typing import NamedTuple

from bertft_core.recipes.data_profile import DataProfile

SIZES = (32, 48, 64, 96, 128, 192, 256, 320, 384, 448, 512)
"""Sensible values of max_length in word pieces; room costs nothing, and other texts may be longer than those of train."""
USUAL_LIMIT = 512
"""Of an encoder that names no limit."""
MAX_CUT_RATIO = 0.05
"""Share of inputs that may lose their end before windows are worth their time."""
CPU_WINDOW = 256
"""Attention costs the square of the length, so on a CPU two short windows are cheaper than a long one."""
QUESTIONS, QUESTION_STRIDE = 384, 128
"""As in the scripts that people fine-tune on SQuAD with."""
BLOCKS_CPU, BLOCKS_GPU = 128, 512
"""Blocks of raw text in pre-training."""
READ_IN_WINDOWS = ("token_classification", "question_answering", "masked_lm")
"""Heads that lose nothing of a long input, whatever max_length says."""


class Length(NamedTuple):
    """How inputs are read."""

    max_length: int
    windows: bool
    """data.long_texts: windows."""
    doc_stride: int | None
    why: str
    source: str
    warning: str | None = None


def length_of(facts: DataProfile) -> Length:
    """max_length, and whether long texts are read in windows."""
    limit = min(facts.encoder.max_length or USUAL_LIMIT, USUAL_LIMIT)
    fits, lengths = at_least(facts.lengths.p99, limit), facts.lengths
    seen = f"99 % of the inputs have up to {lengths.p99} word pieces, the longest {lengths.longest}"
    if facts.head == "question_answering":
        return _questions(facts, limit)
    if facts.head == "masked_lm":
        wanted = min(BLOCKS_GPU if facts.machine.n_gpus else max(BLOCKS_CPU, at_least(lengths.p90, CPU_WINDOW)), limit)
        return Length(wanted, False, None, f"{seen}; longer texts are read in blocks of this size", "house rule")
    if lengths.p99 <= limit:
        return Length(fits, False, None, f"{seen}; shorter inputs are not padded, so the room costs nothing", "house rule")
    if facts.head in READ_IN_WINDOWS:
        return Length(limit, False, None, f"{seen}; longer sentences are read in overlapping windows", "house rule")
    cut = lengths.share_over(limit)
    if cut <= MAX_CUT_RATIO:
        return Length(limit, False, None, f"{seen}; the encoder reads {limit}, which cuts {cut:.0%}", "house rule")
    if facts.is_pair:
        told = f"{cut:.0%} of the pairs are longer than the encoder reads and lose the end of their longer text"
        return Length(limit, False, None, f"{seen}; the encoder reads {limit}", "house rule", told)
    window = limit if facts.machine.n_gpus else min(CPU_WINDOW, limit)
    why = f"{cut:.0%} of the texts are longer than the {limit} word pieces that the encoder reads: windows lose nothing"
    return Length(window, True, None, f"{seen}; {why}", "house rule")


def reads_all(facts: DataProfile) -> bool:
    """Nothing of a long input is cut off."""
    return facts.head in READ_IN_WINDOWS or length_of(facts).windows


def blocks_per_text(facts: DataProfile) -> float:
    """How many blocks or windows of max_length a mean text is read in, at least one."""
    return max(1.0, facts.lengths.mean / length_of(facts).max_length)


def _questions(facts: DataProfile, limit: int) -> Length:
    wanted = QUESTIONS if facts.lengths.p90 <= QUESTIONS else USUAL_LIMIT
    max_length = min(wanted, limit)
    why = f"questions with their contexts are read in 384 to 512; 90 % have up to {facts.lengths.p90} word pieces"
    warning = None if max_length >= QUESTIONS else f"the encoder reads {limit} word pieces only, 384 are usual for questions"
    return Length(max_length, False, min(QUESTION_STRIDE, max_length // 3), why, "SQuAD scripts", warning)


def at_least(length: int, limit: int) -> int:
    """The smallest sensible max_length for inputs of this length, within the limit."""
    return min(next((size for size in SIZES if size >= length), limit), limit)
