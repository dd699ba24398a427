"""Numbers and words beside axes."""

from __future__ import annotations

import math
from typing import Any

from bertft_core.report.drawings.look import number


def in_one_line(words: str) -> str:
    """matplotlib begins a new line where a name has one."""
    return words.replace("\n", " ")


def locate(axis: Any, n: int, whole: bool, logarithmic: bool) -> None:
    """Ticks at round numbers: steps of 1, 2 or 5 times a power of ten; on a logarithmic axis these numbers themselves."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    if logarithmic:
        low, high = axis.get_view_interval()
        spread = math.log10(high / low)
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if spread < 2 else (1.0,), numticks=50))
        axis.set_minor_locator(NullLocator())
    else:
        axis.set_major_locator(MaxNLocator(nbins=n, steps=[1, 2, 5, 10], integer=whole, min_n_ticks=1))
    axis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
