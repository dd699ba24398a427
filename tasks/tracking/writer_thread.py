"""A thread that does MLflow's writing, so that a slow or absent store never delays a run."""

import queue
import threading
import time
from collections.abc import Callable

from bertft_core.config.addresses import shown

TRIES = 3
FIRST_PAUSE_SECONDS = 0.5
AWAY_AFTER = 3
"""Jobs given up one after the other, after which the store is taken to be away."""
AWAY_SECONDS = 30.0
"""How long jobs are put off before one is tried again."""
GIVEN_UP_AT_THE_END = 2
"""Jobs that failed once more at the end, after which the store is taken to be away for good."""

Job = Callable[[], None]


class Writer:
    """Carries out jobs one after the other; a job that keeps failing is given up and listed in `problems`.

    Jobs that must not be missed are tried once more at the end, when the store may be back: busy is not away.
    """

    def __init__(self) -> None:
        self.problems: list[str] = []
        """What went wrong, each thing once."""
        self._n_given_up = 0
        self._away_until = 0.0
        self._jobs: queue.Queue[tuple[Job, bool] | None] = queue.Queue()
        self._missed: list[Job] = []
        self._thread = threading.Thread(target=self._work, name="mlflow-writer", daemon=True)
        self._thread.start()

    def post(self, job: Job, *, must: bool = False) -> None:
        """Do it soon; returns at once. What `must` be done is done again at the end if it fails."""
        self._jobs.put((job, must))

    def close(self) -> None:
        """Do what is posted, then what was missed of it, in its order, as long as the store answers; then end."""
        self._jobs.put(None)
        self._thread.join()
        if not self._missed:
            return
        reported, self.problems = self.problems, []
        left: list[Job] = []
        for job in self._missed:
            if len(left) >= GIVEN_UP_AT_THE_END or not self._try(job):
                left.append(job)
        self.problems = list(dict.fromkeys([*reported, *self.problems])) if left else []

    def tell(self, error: Exception) -> None:
        """Note a problem."""
        problem = f"{type(error).__name__}: {shown(error)}"
        if problem not in self.problems:
            self.problems.append(problem)

    def _work(self) -> None:
        while (posted := self._jobs.get()) is not None:
            job, must = posted
            done = time.monotonic() >= self._away_until and self._try(job)
            if must and not done:
                self._missed.append(job)

    def _try(self, job: Job) -> bool:
        tries = 1 if self._n_given_up else TRIES  # a store that is away is not waited for again and again
        for n in range(tries):
            try:
                job()
            except Exception as error:  # training continues whatever the store does
                if n + 1 < tries:
                    time.sleep(FIRST_PAUSE_SECONDS * 2**n)
                else:
                    self.tell(error)
            else:
                self._n_given_up = 0
                return True
        self._n_given_up += 1
        if self._n_given_up >= AWAY_AFTER:
            self._away_until = time.monotonic() + AWAY_SECONDS
        return False
