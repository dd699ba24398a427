"""When a trial began and ended, in an Optuna journal: as its runs did. Its batch is sampled before them and recorded after them.

Optuna writes the time of the clock into every change of a trial's state. Here these times can be given; which entries carry one,
and in which form, is left to Optuna.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState


class TimedFile(JournalFileBackend):
    """A journal file in which the times of trials can be given."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._times: dict[str, str] = {}

    @contextmanager
    def times(self, start: datetime, complete: datetime) -> Iterator[None]:
        """Trials that begin or end in here do so at these times."""
        named = {"datetime_start": start, "datetime_complete": complete}
        self._times = {key: time.astimezone(UTC).isoformat(timespec="microseconds") for key, time in named.items()}
        try:
            yield
        finally:
            self._times = {}

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append entries, with the times that are given in place of their own."""
        super().append_logs([log | {key: time for key, time in self._times.items() if key in log} for log in logs])


def start_again(storage: JournalStorage, trial_id: int) -> None:
    """Let a running trial begin once more, which is how Optuna changes when it began.

    After a kill in between it waits, as it does after a repair: a search that goes on lets it run.
    """
    storage.set_trial_state_values(trial_id, TrialState.WAITING)
    storage.set_trial_state_values(trial_id, TrialState.RUNNING)
