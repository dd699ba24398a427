"""What pruning has saved of a search: runs that were never trained, and steps that others were not trained to."""

from collections.abc import Mapping, Sequence

from bertft_core.records import RunRecord, TrialRow
from bertft_core.records.sweep_result import PruningSavings


def savings_of(trials: Sequence[TrialRow], n_seeds: int, records: Mapping[str, RunRecord]) -> PruningSavings | None:
    """Against the same trials with all their seeds trained to the end; None when the record of a run is missing.

    A trial that failed has saved nothing. A run that was not trained would have had the steps of its trial's first one.
    """
    n_spared, n_stopped, n_steps, n_saved = 0, 0, 0, 0
    for trial in trials:
        trained = [records[digest] for digest in trial.run_digests if digest in records]
        if not trained or len(trained) < len(trial.run_digests):
            return None
        n_missing, of_each = n_seeds - len(trained), trained[0].planned_steps
        n_steps += sum(record.planned_steps for record in trained) + n_missing * of_each
        if trial.state == "pruned":
            stopped = [record for record in trained if record.status == "pruned"]
            n_spared += n_missing
            n_stopped += len(stopped)
            n_saved += sum(record.planned_steps - record.n_steps for record in stopped) + n_missing * of_each
    n_runs = len(trials) * n_seeds
    return PruningSavings(n_runs=n_runs, n_spared=n_spared, n_stopped=n_stopped, n_steps=n_steps, n_steps_saved=n_saved)
