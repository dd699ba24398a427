"""What was measured of the kernels of a machine, and when oneDNN is taken for it. Imports no torch; see `kernels`."""

from typing import NamedTuple

from bertft_core.config import UserError
from bertft_core.records.compute import Kernels

LARGEST_ERROR = 1e-5
"""Of any element of an fp32 product, as a share of its largest. Measured: 5e-7 with MKL, 1e-6 with oneDNN; tf32 gives 3e-4, bf16
2e-3.
"""
CLEARLY_FASTER = 1.1


class KernelProbe(NamedTuple):
    """What was measured on this machine."""

    speedup: float
    """Time of MKL over that of oneDNN."""
    mkl_error: float | None
    onednn_error: float | None
    """None where this torch has no oneDNN, or no switch for it."""

    @property
    def best(self) -> Kernels:
        """oneDNN only where it is exact and clearly faster."""
        return "onednn" if is_exact(self.onednn_error) and self.speedup >= CLEARLY_FASTER else "mkl"


NOTHING_MEASURED = KernelProbe(1.0, None, None)


def is_exact(onednn_error: float | None) -> bool:
    """oneDNN computes fp32 products in fp32."""
    return onednn_error is not None and onednn_error <= LARGEST_ERROR


def inexact(onednn_error: float | None) -> UserError:
    """The error of a machine that cannot compute with oneDNN in fp32, to be raised."""
    return UserError(
        "this machine cannot compute with oneDNN in fp32, as this study needs",
        code="machine.inexact-kernels",
        found="a torch without oneDNN, or without the switch that chooses it"
        if onednn_error is None
        else f"an error of {onednn_error:.0e} in its matrix products: here they are not computed in fp32",
        expected=f"an error of at most {LARGEST_ERROR:.0e}: execution.kernels is onednn, or was when finished runs were trained",
        hint="use --set execution.kernels=mkl (then all runs are computed with it), or another machine",
    )
