"""Linear centred kernel alignment: similarity of two sets of states of the same texts, 1 if equal up to rotation and scale.

Source: Kornblith et al. 2019, section 3 (biased); Song et al. 2012, section 2 and Nguyen et al. 2021, section 2 (unbiased HSIC₁).
With fewer texts than dimensions the biased value is far too high; read the unbiased one.
"""

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def linear_cka(first: Floats, second: Floats) -> float | None:
    """‖Y'X‖² / (‖X'X‖ ‖Y'Y‖) of columns centred to 0; `first` [n, p] and `second` [n, q]. None where either does not vary."""
    kernels = [_kernel(states - states.mean(axis=0)) for states in (np.float64(first), np.float64(second))]
    return _ratio(float((kernels[0] * kernels[1]).sum()), *(float((kernel * kernel).sum()) for kernel in kernels))


def unbiased_linear_cka(first: Floats, second: Floats) -> float | None:
    """The same from unbiased estimates of HSIC; can be a little under 0. None for fewer than 4 rows and as above."""
    if len(first) < 4:
        return None
    kernels = [_kernel(states - states.mean(axis=0)) for states in (np.float64(first), np.float64(second))]
    return _ratio(hsic(*kernels), hsic(kernels[0], kernels[0]), hsic(kernels[1], kernels[1]))


def hsic(first: Floats, second: Floats) -> float:
    """HSIC₁ of two kernels [n, n], n ≥ 4, without their diagonals:

    [tr(KL) + 1'K1 1'L1 / ((n - 1)(n - 2)) - 2 / (n - 2) 1'KL1] / (n (n - 3)).
    """
    n = len(first)
    k, l = (kernel - np.diag(kernel.diagonal()) for kernel in (first, second))  # noqa: E741
    k_sums, l_sums = k.sum(axis=0), l.sum(axis=0)
    total = (k * l).sum() + k_sums.sum() * l_sums.sum() / ((n - 1) * (n - 2)) - 2 * (k_sums * l_sums).sum() / (n - 2)
    return float(total / (n * (n - 3)))


def _kernel(states: Floats) -> Floats:
    return states @ states.T


def _ratio(both: float, first: float, second: float) -> float | None:
    if first <= 0 or second <= 0 or not math.isfinite(first * second) or first * second == 0:
        return None
    return both / math.sqrt(first * second)
