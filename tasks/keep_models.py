"""Which models of a study stay: the task that keeps them at its end, and the budget for them while it runs."""

import shutil

from prefect import task
from prefect.cache_policies import NO_CACHE

from bertft_core.config import StudyConfig
from bertft_core.records import RunRecord, RunSpec
from bertft_core.records.ranking import ranked_runs
from bertft_core.report.prose import study_text
from bertft_core.storage.damage import Tell
from bertft_core.storage.retention import folder_bytes, kept_digests, over_budget
from bertft_core.storage.study_dir import StudyDir, write_record
from bertft_core.storage.study_results import StudyResults
from tasks.kept_states import state_kept
from tasks.protocols import RunLog

DROPPED = "budget"


@task(name="keep-models", task_run_name="keep models · {results.study.name}", cache_policy=NO_CACHE, persist_result=False)
@state_kept
def keep_models(results: StudyResults, records: dict[str, RunRecord], *, log: RunLog) -> list[str]:
    """Delete the models of `records` that `retention` does not keep and log the others; the digests of those kept.

    With `retention.register` the best of each arm is registered, with the verdict on the arm: `results` are evaluated.
    """
    kept = kept_digests(results.study, results.planned, records)
    for digest, record in records.items():
        model_dir = results.run_dir_of(digest) / "model"
        if digest not in kept:
            shutil.rmtree(model_dir, ignore_errors=True)
            log.drop_model(digest)
        elif model_dir.exists() and results.study.tracking.log_models:
            log.log_model(record)
    if results.study.retention.register:
        for arm, ranked in ranked_runs(results.study, results.planned, records).items():
            log.register_model(ranked[0], arm, " ".join(study_text.of_arm(arm, results.summary)))
    return sorted(kept)


class ModelBudget:
    """Keeps the models of the report runs within `retention.budget_gib`: after each run the worst ones beyond it are deleted."""

    def __init__(self, study: StudyConfig, study_dir: StudyDir, log: RunLog, tell: Tell) -> None:
        self._study, self._dir, self._log, self._tell = study, study_dir, log, tell
        self._records: dict[str, RunRecord] = {}
        self._arms: dict[str, set[str]] = {}

    def ended(self, spec: RunSpec, record: RunRecord) -> None:
        """A run has its record: now, or since an earlier command, or for another arm of the same settings."""
        if spec.stage != "seeds" or self._study.retention.budget_gib is None:
            return
        self._records.setdefault(record.digest, record)
        self._arms.setdefault(spec.arm, set()).add(record.digest)
        sizes = {digest: folder_bytes(self._dir.run_dir(digest) / "model") for digest in self._records}
        arms = {arm: [run for run in self._records.values() if run.digest in digests] for arm, digests in self._arms.items()}
        for digest in over_budget(self._study, arms, {d: size for d, size in sizes.items() if size}):
            self._drop(digest)

    def _drop(self, digest: str) -> None:
        record = self._records[digest].model_copy(update={"model_dropped": DROPPED})
        write_record(self._dir.run_dir(digest) / "record.json", record)
        shutil.rmtree(self._dir.run_dir(digest) / "model", ignore_errors=True)
        self._records[digest] = record
        self._log.drop_model(digest)
        self._tell(f"{record.spec.title}: its model was deleted (retention.budget_gib: {self._study.retention.budget_gib:g})")

    def as_it_is(self, record: RunRecord) -> RunRecord:
        """The record with what became of its model since."""
        return self._records.get(record.digest, record)
