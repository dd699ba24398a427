"""The training examples of a run that trains on some of them: nested, stratified, drawn from a stream of their own.

The labels stand in one order, in which every beginning has them in their proportions; the examples of each label are permuted.
A subset is a beginning of that order, so a smaller subset of the same seed is inside a larger one.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def label_quotas(counts: Sequence[int] | Ints, n: int) -> Ints:
    """Examples of each label [labels] in a subset of n, from the label counts [labels] of the whole; never more for a smaller n.

    The first example of each label comes first, then the j-th of c stands at (j − ½) / c; ties go to the more frequent label.
    A label so has its share of n, give or take half an example and what the first examples of rare labels take.
    """
    sizes = np.asarray(counts, dtype=np.int64)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    places = np.concatenate([(np.arange(size) + 0.5) / size for size in sizes if size] or [np.empty(0)])
    firsts = np.cumsum(sizes) - sizes
    places[firsts[sizes > 0]] = -1.0
    order = labels[np.lexsort((labels, -sizes[labels], places))]
    return np.bincount(order[:n], minlength=len(sizes)).astype(np.int64)


def subset_rows(n_rows: int, classes: Ints | None, n: int, examples_seed: int) -> Ints:
    """The rows [n] of a subset, ascending; `classes` [n_rows] are the label ids, None where an example has no single label."""
    rng = np.random.default_rng(examples_seed)
    if classes is None:
        return np.sort(rng.permutation(n_rows)[:n])
    members = [np.flatnonzero(classes == label) for label in range(int(classes.max()) + 1)]
    quotas = label_quotas([len(rows) for rows in members], n)
    return np.sort(np.concatenate([rng.permutation(rows)[:quota] for rows, quota in zip(members, quotas, strict=True)]))
