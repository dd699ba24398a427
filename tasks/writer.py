"""A thread that does MLflow's writing, so that a slow or absent store never holds a run up."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

TRIES = 3
FIRST_PAUSE_SECONDS = 0.5
AWAY_AFTER = 3
"""Jobs given up one after the other, after which the store is taken to be away."""
AWAY_SECONDS = 30.0
"""How long jobs are dropped before one is tried again; what they would have logged is logged from the records later."""


class Writer:
    """Carries out jobs one after the other; a job that keeps failing is given up and told in `problems`."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        """What went wrong, each thing once."""
        self._n_given_up = 0
        self._away_until = 0.0
        self._jobs: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, name="mlflow-writer", daemon=True)
        self._thread.start()

    def post(self, job: Callable[[], None]) -> None:
        """Do it soon; returns at once."""
        self._jobs.put(job)

    def close(self) -> None:
        """Do what is posted, then end."""
        self._jobs.put(None)
        self._thread.join()

    def tell(self, error: Exception) -> None:
        """Note a problem."""
        problem = f"{type(error).__name__}: {error}".splitlines()[0]
        if problem not in self.problems:
            self.problems.append(problem)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            if time.monotonic() >= self._away_until:
                self._try(job)

    def _try(self, job: Callable[[], None]) -> None:
        tries = 1 if self._n_given_up else TRIES  # a store that is away is not waited for again and again
        for n in range(tries):
            try:
                job()
            except Exception as error:  # whatever the store does, training goes on
                if n + 1 < tries:
                    time.sleep(FIRST_PAUSE_SECONDS * 2**n)
                else:
                    self.tell(error)
            else:
                self._n_given_up = 0
                return
        self._n_given_up += 1
        if self._n_given_up >= AWAY_AFTER:
            self._away_until = time.monotonic() + AWAY_SECONDS
