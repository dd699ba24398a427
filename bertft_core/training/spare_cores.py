"""Cores that a run may use beside its own because no other run needs them; they change no bit of it.

The process that holds the slots says how many a worker has; see `fast_layers.spread` for what is computed on them.
"""

import time

SETTLED_SECONDS = 1.0
"""How long cores have to have been free: between two runs a slot is free for a moment."""
N_JUDGED = 200
"""Operations after which it is decided whether the cores have saved time."""
REST_SECONDS = 15.0
"""How long they are left alone where they have not: something else computes on them."""


class SpareCores:
    """One thread sets their number, another reads it."""

    def __init__(self) -> None:
        self._lent: tuple[int, float] = (0, 0.0)
        """Their number, and since when."""
        self._saved, self._n, self._rest_ends = 0.0, 0, 0.0

    def lend(self, cores: int) -> None:
        """From now on this process may use so many cores, its own included; one that has more gives them back at once."""
        self._lent = cores, time.monotonic()

    def cores(self) -> int:
        """How many may be used now; 0 where nobody has said anything."""
        cores, since = self._lent
        return cores if cores and time.monotonic() >= max(since + SETTLED_SECONDS, self._rest_ends) else 0

    def have_saved(self, seconds: float) -> None:
        """So much less time than without them has an operation taken, or more where it is negative."""
        self._saved, self._n = self._saved + seconds, self._n + 1
        if self._n == N_JUDGED:
            if self._saved <= 0:
                self._rest_ends = time.monotonic() + REST_SECONDS
            self._saved, self._n = 0.0, 0


SPARE = SpareCores()
"""Of this process."""
