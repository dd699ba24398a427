"""Cores that a run may use beside its own because no other run needs them; they change no bit of it.

The process that holds the slots says how many a worker has; see `fast_layers.spread` for what is computed on them.
"""

import time

SETTLED_SECONDS = 1.0
"""How long cores have to have been free: between two runs a slot is free for a moment."""


class SpareCores:
    """One thread sets their number, another reads it."""

    def __init__(self) -> None:
        self._lent: tuple[int, float] = (0, 0.0)
        """Their number, and since when."""

    def lend(self, cores: int) -> None:
        """From now on this process may use so many cores, its own included; one that has more gives them back at once."""
        self._lent = cores, time.monotonic()

    def cores(self) -> int:
        """How many may be used now; 0 where nobody has said anything."""
        cores, since = self._lent
        return cores if cores and time.monotonic() - since >= SETTLED_SECONDS else 0


SPARE = SpareCores()
"""Of this process."""
