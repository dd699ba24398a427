"""How long inputs are read: the 99th percentile rounded up, within the encoder's limit; longer texts in windows.

Also how many of them fit into one forward pass, by the activations that a training step keeps. A layer keeps about
s·b·h·(34 + 5·a·s/h) bytes in 16 bits for b inputs of s tokens, hidden size h and a attention heads, and twice that in 32 bits
(Korthikanti et al. 2022). Weights, gradients and Adam's two moments take 16 bytes per parameter.
"""

from typing import NamedTuple

from bertft_core.recipes.data_profile import DataProfile, EncoderProfile, Machine
from bertft_core.recipes.reasons import HOUSE_RULE, Reason, Source, because

SIZES = (32, 48, 64, 96, 128, 192, 256, 320, 384, 448, 512)
"""Sensible values of max_length in tokens; a little more costs nothing, and other texts may be longer than those of train."""
USUAL_LIMIT = 512
"""Of an encoder that has no limit of its own."""
MAX_CUT_RATIO = 0.05
"""Share of inputs that may be truncated before windows are worth their time."""
CPU_WINDOW = 256
"""Attention is quadratic in the length, so on a CPU two short windows are cheaper than a long one."""
QUESTIONS, QUESTION_STRIDE = 384, 128
"""As in the common SQuAD fine-tuning scripts."""
BLOCKS_CPU, BLOCKS_GPU = 128, 512
"""Blocks of raw text in pre-training."""
READ_IN_WINDOWS = ("token_classification", "question_answering", "masked_lm")
"""Heads that lose nothing of a long input, whatever max_length is."""
USABLE_SHARE = 0.6
"""Share of the memory that a run may plan with."""
BYTES_PER_PARAMETER = 16


class InputLength(NamedTuple):
    """How inputs are read."""

    max_length: int
    reason: Reason
    windows: bool = False
    """data.long_texts: windows."""
    doc_stride: int | None = None
    source: Source = HOUSE_RULE
    warning: Reason | None = None


def length_of(profile: DataProfile) -> InputLength:
    """max_length, and whether long texts are read in windows."""
    limit = min(profile.encoder.max_length or USUAL_LIMIT, USUAL_LIMIT)
    lengths = profile.lengths
    numbers: dict[str, float] = {"p99": lengths.p99, "longest": lengths.longest, "limit": limit}
    if profile.head == "question_answering":
        return _questions(profile, limit)
    if profile.head == "masked_lm":
        wanted = BLOCKS_GPU if profile.machine.n_gpus else max(BLOCKS_CPU, at_least(lengths.p90, CPU_WINDOW))
        return InputLength(min(wanted, limit), because("length_blocks", **numbers))
    if lengths.p99 <= limit:
        return InputLength(at_least(lengths.p99, limit), because("length_fits", **numbers))
    if profile.head in READ_IN_WINDOWS:
        return InputLength(limit, because("length_sentences", **numbers))
    numbers["cut"] = cut = lengths.share_over(limit)
    if cut <= MAX_CUT_RATIO:
        return InputLength(limit, because("length_cut", **numbers))
    if profile.is_pair:
        return InputLength(limit, because("length_pairs", **numbers), warning=because("pairs_truncated", cut=cut))
    window = limit if profile.machine.n_gpus else min(CPU_WINDOW, limit)
    return InputLength(window, because("length_windows", **numbers), windows=True)


def _questions(profile: DataProfile, limit: int) -> InputLength:
    wanted = QUESTIONS if profile.lengths.p90 <= QUESTIONS else USUAL_LIMIT
    max_length = min(wanted, limit)
    warning = None if max_length >= QUESTIONS else because("questions_short", limit=limit)
    stride = min(QUESTION_STRIDE, max_length // 3)
    reason = because("length_questions", p90=profile.lengths.p90)
    return InputLength(max_length, reason, doc_stride=stride, source="SQuAD scripts", warning=warning)


def reads_all(profile: DataProfile) -> bool:
    """Whether long inputs are read to their end."""
    return profile.head in READ_IN_WINDOWS or length_of(profile).windows


def blocks_per_text(profile: DataProfile) -> float:
    """How many blocks or windows of max_length an average text is read in, at least one."""
    return max(1.0, profile.lengths.mean / length_of(profile).max_length)


def at_least(length: int, limit: int) -> int:
    """The smallest sensible max_length for inputs of this length, within the limit."""
    return min(next((size for size in SIZES if size >= length), limit), limit)


def run_bytes(encoder: EncoderProfile, n_inputs: int, length: int) -> int:
    """Bytes of a training step in 32 bits over `n_inputs` inputs of `length` tokens."""
    per_layer = length * n_inputs * encoder.hidden_size * (34 + 5 * encoder.n_heads * length / encoder.hidden_size)
    return round(2 * encoder.n_layers * per_layer) + BYTES_PER_PARAMETER * encoder.n_parameters


def micro_batch_of(encoder: EncoderProfile, machine: Machine, batch_size: int, length: int, n_windows: int) -> int | None:
    """The largest half, quarter, … of the batch that fits into memory, at least 1; None where the whole batch does.

    An example is read in `n_windows` inputs of `length` tokens.
    """
    micro, available = batch_size, USABLE_SHARE * machine.memory_bytes
    while micro > 1 and run_bytes(encoder, micro * n_windows, length) > available:
        micro //= 2
    return None if micro == batch_size else micro
