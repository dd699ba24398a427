"""A thread that does MLflow's writing, so that a slow or absent store never holds a run up."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

TRIES = 3
FIRST_PAUSE_SECONDS = 0.5


class Writer:
    """Carries out jobs one after the other; a job that keeps failing is given up and told in `problems`."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._jobs: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, name="mlflow-writer", daemon=True)
        self._thread.start()

    def post(self, job: Callable[[], None]) -> None:
        """Do it soon; returns at once."""
        self._jobs.put(job)

    def drain(self) -> None:
        """Wait until everything posted so far is done."""
        done = threading.Event()
        self._jobs.put(done.set)
        done.wait()

    def close(self) -> None:
        """Do what is posted, then end."""
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._try(job)

    def _try(self, job: Callable[[], None]) -> None:
        tries = 1 if self.problems else TRIES  # a store that is away is not waited for again and again
        for n in range(tries):
            try:
                job()
                return
            except Exception as error:  # whatever the store does, training goes on
                problem = f"{type(error).__name__}: {error}".splitlines()[0]
                if n + 1 < tries:
                    time.sleep(FIRST_PAUSE_SECONDS * 2**n)
        self.problems.append(problem)
