"""Texts as sets of shingles (5 characters in a row, Broder 1997), as numbers, with a signature of each set."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bertft_core.metrics.prediction_columns import numbers

Ints = NDArray[np.int64]
N_CHARACTERS = 5
"""Of a shingle."""
N_BITS = 256
"""Of a signature; a power of two."""
N_AT_ONCE = 4096
"""Texts whose shingles are in the processor's cache together, if they are short."""
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


class Sets(NamedTuple):
    """The shingles of texts as numbers, rarest first: those of text i are `values[starts[i] : starts[i + 1]]`."""

    values: NDArray[np.int32]
    starts: Ints

    @property
    def sizes(self) -> Ints:
        return np.diff(self.starts)

    def of(self, i: int) -> NDArray[np.int32]:
        return self.values[self.starts[i] : self.starts[i + 1]]


def shingle_sets(texts: Sequence[str]) -> Sets:
    """The set of shingles of each text; a text shorter than a shingle is filled up and is one."""
    lengths = np.maximum(np.array([len(text) for text in texts], np.int64), N_CHARACTERS) - N_CHARACTERS + 1
    hashes = np.concatenate([np.zeros(0, np.uint64), *(_hashes(texts[block]) for block in _blocks(len(texts)))])
    column = pa.Array.from_buffers(
        pa.from_numpy_dtype(hashes.dtype), len(hashes), [None, pa.py_buffer(hashes)]
    )  # no pandas for it
    found = column.dictionary_encode()  # a third of the time of `np.unique`, which sorts them all
    number, different = numbers(found.indices), numbers(found.dictionary)
    n_uses = np.bincount(number, minlength=len(different))
    rank = np.empty(len(n_uses), np.int64)
    rank[np.lexsort((different, n_uses))] = np.arange(len(n_uses))
    ends = np.concatenate([[0], np.cumsum(lengths)])
    values, sizes = [np.zeros(0, np.int32)], [np.zeros(1, np.int64)]
    for block in _blocks(len(texts)):
        ranks = rank[number[ends[block.start] : ends[block.stop]]]
        members, n_members = _members(ranks, lengths[block], len(n_uses).bit_length())
        values.append(members)
        sizes.append(n_members)
    return Sets(np.concatenate(values), np.cumsum(np.concatenate(sizes)))


def signatures(sets: Sets) -> NDArray[np.uint64]:
    """[n_texts, words] a bit for every N_BITS-th shingle, set where a text has an odd number of these.

    The signatures of two sets differ in at most as many bits as the sets have shingles that are in one of them only.
    """
    found = np.empty((len(sets.starts) - 1, N_BITS // 8), np.uint8)
    for block in _blocks(len(found)):
        sizes = sets.sizes[block]
        own = sets.values[sets.starts[block.start] : sets.starts[block.stop]] & (N_BITS - 1)
        counts = np.bincount(np.repeat(np.arange(len(sizes)) * N_BITS, sizes) + own, minlength=len(sizes) * N_BITS)
        found[block] = np.packbits(counts.astype(np.uint8) & 1).reshape(len(sizes), -1)
    return found.view(np.uint64)


def _blocks(n: int) -> Iterator[slice]:
    return (slice(start, min(start + N_AT_ONCE, n)) for start in range(0, n, N_AT_ONCE))


def _hashes(texts: Sequence[str]) -> NDArray[np.uint64]:
    """A number for each shingle, text by text."""
    filled = [text.ljust(N_CHARACTERS, "\0") for text in texts]
    lengths = np.array([len(text) for text in filled], np.int64)
    codes = np.frombuffer("".join(filled).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    hashes = np.zeros(len(codes) - N_CHARACTERS + 1, np.uint64)
    for k in range(N_CHARACTERS):
        hashes ^= codes[k : k + len(hashes)]
        hashes *= MULTIPLIER
        hashes ^= hashes >> np.uint64(29)
    within = np.ones(len(codes), bool)
    for k in range(1, N_CHARACTERS):  # those that begin in a text and end in the next one
        within[np.cumsum(lengths) - k] = False
    return hashes[within[: len(hashes)]]


def _members(ranks: Ints, lengths: Ints, n_bits: int) -> tuple[NDArray[np.int32], Ints]:
    """The different ranks of each text, in order, and their number."""
    ordered = different((np.repeat(np.arange(len(lengths)), lengths) << n_bits) | ranks)
    starts = np.searchsorted(ordered, np.arange(len(lengths) + 1) << n_bits)
    return (ordered & ((1 << n_bits) - 1)).astype(np.int32), np.diff(starts)


def different(values: Ints) -> Ints:
    """The different ones, in order; faster than `np.unique` where few are equal."""
    ordered = np.sort(values)
    return ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])] if len(ordered) else ordered
