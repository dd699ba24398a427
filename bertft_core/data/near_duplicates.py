"""Near-duplicates: texts that are equal or nearly so when case, white space and punctuation are ignored.

Two texts are near-duplicates when the Jaccard similarity of their sets of 5 characters in a row (Broder 1997) is at least 0.8.
Sets as similar as that share one of the rarest elements of each (prefix filter, Bayardo et al. 2007), so that all pairs are
found; beyond 20,000 texts elements that many texts have are not looked up, and a few pairs among very many alike may be missed.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from bertft_core.data.shingles import Ints, Sets, different, shingle_sets, signatures

MIN_SIMILARITY = 0.8
"""Jaccard similarity of near-duplicates."""
EXACT = 20_000
"""Texts of which all pairs are found."""
MOST_OWNERS = 100
"""Beyond that many texts, the texts of a shingle that is still looked up."""
N_PAIRS = 250_000
"""Candidates that are held at once."""
WORDS = re.compile(r"[^\W_]+")


def normalised(text: str) -> str:
    """The words of a text in lower case, with one space between; a text without letters or digits as it is."""
    folded = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
    return " ".join(WORDS.findall(folded)) or " ".join(folded.split())


def text_of(parts: Sequence[str]) -> str:
    """The normalised text of an example; of a pair, both texts with a line end between."""
    return "\n".join(map(normalised, parts))


def nearest_of(known: Sequence[str], texts: Sequence[str]) -> Ints:
    """For each normalised text the place [n_texts] of its most similar near-duplicate among the known ones, −1 for none."""
    sets = shingle_sets([*known, *texts])
    found, best = np.full(len(texts), -1), np.zeros(len(texts))
    for i, near, similarity in _near(sets, np.arange(len(known)), np.arange(len(known), len(known) + len(texts))):
        k = np.argmax(similarity)
        found[i - len(known)], best[i - len(known)] = near[k], similarity[k]
    return found


def near_blocks(texts: Sequence[str]) -> Ints:
    """The block [n_texts] of each normalised text: chains of near-duplicates, numbered by their first text."""
    parent = list(range(len(texts)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    every = np.arange(len(texts))
    for i, near, _ in _near(shingle_sets(texts), every, every):
        for j in near:
            a, b = sorted((root(i), root(int(j))))
            parent[b] = a
    return np.unique([root(i) for i in range(len(texts))], return_inverse=True)[1]


def _near(sets: Sets, known: Ints, texts: Ints) -> Iterator[tuple[int, Ints, NDArray[np.float64]]]:
    """(text, its near-duplicates among the known ones, their similarities) of every text that has any but itself."""
    held = np.zeros(int(sets.values.max(initial=0)) + 1, dtype=bool)
    sizes = sets.sizes
    for i, others in _candidates(sets, known, texts):
        mine = sets.of(i)
        held[mine] = True
        places = np.repeat(sets.starts[others] - np.cumsum(sizes[others]) + sizes[others], sizes[others])
        places += np.arange(len(places))
        ends = np.cumsum(sizes[others]) - sizes[others]
        shared = np.add.reduceat(held[sets.values[places]], ends, dtype=np.int64)
        held[mine] = False
        similarity = shared / (len(mine) + sizes[others] - shared)
        near = similarity >= MIN_SIMILARITY
        if near.any():
            yield i, others[near], similarity[near]


def _candidates(sets: Sets, known: Ints, texts: Ints) -> Iterator[tuple[int, Ints]]:
    """(text, known ones that share one of its rarest shingles and may be near), of every text that has any."""
    of_known, owners = _prefixes(sets, known)
    owners = owners[np.argsort(of_known)]
    ends = np.cumsum(np.bincount(of_known + 1, minlength=int(sets.values.max(initial=0)) + 2))
    mine, askers = _prefixes(sets, texts)
    first, last = ends[mine], ends[mine + 1]
    if len(sets.starts) - 1 > EXACT:
        last = np.where(last - first > MOST_OWNERS, first, last)
    marks, sizes, n_found = signatures(sets), sets.sizes, np.cumsum(last - first)
    begin = 0
    while begin < len(mine):
        end = int(np.searchsorted(n_found, (n_found[begin - 1] if begin else 0) + N_PAIRS, side="right"))
        end = int(np.searchsorted(askers, askers[min(max(end, begin), len(mine) - 1)]))  # whole texts, but one at least
        end = end if end > begin else int(np.searchsorted(askers, askers[begin], side="right"))
        n = (last - first)[begin:end]
        places = np.repeat(first[begin:end] - np.cumsum(n) + n, n) + np.arange(n.sum())
        asker, owner = np.repeat(askers[begin:end], n), owners[places]
        differing = np.take(marks, asker, axis=0) ^ np.take(marks, owner, axis=0)  # five times as fast as `marks[asker]`
        fits = (asker != owner) & _may_be_near(sizes[asker] + sizes[owner], differing)
        pairs = different(asker[fits] * len(sizes) + owner[fits])
        asker, owner = pairs // len(sizes), pairs % len(sizes)
        cuts = np.flatnonzero(np.diff(asker)) + 1
        for group in np.split(np.arange(len(asker)), cuts) if len(asker) else ():
            yield int(asker[group[0]]), owner[group]
        begin = end


def _may_be_near(sizes: Ints, differing: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Whether two sets with so many shingles together, and with signatures that differ in these bits, can be so similar."""
    shared = (sizes - np.einsum("ij->i", np.bitwise_count(differing), dtype=np.int64)) / 2  # at most
    return shared / (sizes - shared) >= MIN_SIMILARITY


def _prefixes(sets: Sets, texts: Ints) -> tuple[Ints, Ints]:
    """The rarest shingles of each text, of which a near-duplicate has one at least, and the text of each."""
    n = sets.sizes[texts] - np.ceil(MIN_SIMILARITY * sets.sizes[texts] - 1e-9).astype(np.int64) + 1
    places = np.repeat(sets.starts[texts] - np.cumsum(n) + n, n) + np.arange(n.sum())
    return sets.values[places], np.repeat(texts, n)
