"""Functions of scipy for modules that commands load without needing them: its import takes longer than `bertft show` to answer.

Each imports its part of scipy when it is first called.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any


def _late(module: str, name: str) -> Callable[..., Any]:
    def call(*arguments: Any, **options: Any) -> Any:
        return getattr(import_module(module), name)(*arguments, **options)

    return call


stdtr, stdtrit = _late("scipy.special", "stdtr"), _late("scipy.special", "stdtrit")
"""Student's t: the distribution function, and its inverse."""
ndtr, ndtri = _late("scipy.special", "ndtr"), _late("scipy.special", "ndtri")
"""The normal distribution."""
chdtri = _late("scipy.special", "chdtri")
"""χ²: the inverse of the survival function."""
gammaln = _late("scipy.special", "gammaln")
"""Logarithm of |Γ|."""
brentq = _late("scipy.optimize", "brentq")
"""A root in an interval."""
nctdtr = _late("scipy.special", "nctdtr")
"""The distribution function of the non-central t distribution, of degrees of freedom, shift and value."""
