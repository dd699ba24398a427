"""Notes in Markdown beside a search and its trials on Optuna's own pages: their runs in MLflow."""

from collections.abc import Mapping
from typing import NamedTuple

from bertft_core.records import SweepResult, TrialRow
from bertft_core.report.formatting import numbers
from bertft_core.report.prose import model_selection_text


class LoggedId(NamedTuple):
    """A run of MLflow."""

    run_id: str
    address: str | None
    """Of its page, where the store is a server."""

    def __str__(self) -> str:
        return f"`{self.run_id}`" if self.address is None else f"[{self.run_id}]({self.address})"


def notes(found: SweepResult, logged: Mapping[str, LoggedId]) -> dict[int | None, str]:
    """Trial → its note, under None that of the search. `logged`: digest of the search or of a run → its run of MLflow."""
    of_search = f"{model_selection_text.search(found)}.\n\nMLflow run of the search: {logged[found.digest]}"
    return {None: of_search, **{trial.number: _of_trial(trial, logged) for trial in found.trials}}


def _of_trial(trial: TrialRow, logged: Mapping[str, LoggedId]) -> str:
    n_scores = len(trial.scores)
    lines = ["MLflow runs:", ""]
    for i, digest in enumerate(trial.run_digests):
        score = f", {numbers.score(trial.scores[i])}" if n_scores == len(trial.run_digests) else ""
        lines.append(f"- seed {i + 1}{score}: {logged.get(digest, 'not logged')}")
    return "\n".join(lines) if trial.run_digests else "No run was trained."
