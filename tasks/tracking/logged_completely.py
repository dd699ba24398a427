"""Whether MLflow's store in the home has all of a study that its next command would log; found out without importing MLflow."""

from collections.abc import Iterable

from bertft_core.records import RunRecord
from bertft_core.records.ranking import ranked_runs
from bertft_core.report.report_seal import read_seal
from bertft_core.storage.retention import kept_digests
from bertft_core.storage.study_results import StudyResults
from tasks.tracking.store_files import (
    LOGGED,
    MLFLOW_STATUS,
    MODEL,
    OF_SEVERAL,
    PARENT_TAG,
    REGISTERED,
    TrackedRun,
    champions,
    digest_in,
    mlflow_runs,
)


def is_logged(results: StudyResults, records: Iterable[RunRecord]) -> bool:
    """The study, its searches, these records and the kept models are in `mlflow.db` as they are on disk, and no run is open.

    `results` are evaluated and their report is sealed.
    """
    study, home_dir = results.study, results.study_dir.home_dir
    runs = mlflow_runs(home_dir, study.name)
    known: dict[str | None, TrackedRun] = {}
    for run in runs:
        known.setdefault(digest_in(run.tags), run)  # the newest comes first
    seal, parent = read_seal(results.study_dir), known.get(study.digest)
    if seal is None or parent is None or any(run.status == "RUNNING" for run in (*runs, *mlflow_runs(home_dir, OF_SEVERAL))):
        return False
    searches = {arm: known.get(sweep.digest) for arm, sweep in results.sweeps.items()}

    def has(record: RunRecord) -> bool:
        above = searches.get(record.spec.arm, parent) if record.spec.stage == "search" else parent
        return _is_whole(known.get(record.digest), MLFLOW_STATUS[record.status], record.ended_at, above)

    return (
        _is_whole(parent, "FINISHED", seal.made, None)
        and all(_is_whole(searches[arm], "FINISHED", str(sweep.n_planned), parent) for arm, sweep in results.sweeps.items())
        and all(map(has, records))
        and _has_models(results, known)
    )


def _is_whole(run: TrackedRun | None, status: str, logged: str, parent: TrackedRun | None) -> bool:
    above = None if parent is None else parent.id
    return run is not None and (run.status, run.tags.get(LOGGED), run.tags.get(PARENT_TAG)) == (status, logged, above)


def _has_models(results: StudyResults, known: dict[str | None, TrackedRun]) -> bool:
    """Of the models that are kept on disk, where the study asks for them; the best of each arm is registered, where it asks.

    The alias may be gone although the run's tag is there: whoever deletes a version on MLflow's page takes it away. One that was
    moved by hand stays where it is.
    """
    if not results.study.tracking.log_models:
        return True
    kept = (results.records[digest] for digest in kept_digests(results.study, results.planned, results.records))
    on_disk = [record for record in kept if (results.run_dir_of(record.digest) / "model").exists()]
    ranked = ranked_runs(results.study, results.planned, results.records) if results.study.retention.register else {}
    best = {runs[0].digest for runs in ranked.values()}
    names = champions(results.study_dir.home_dir) if best else set()
    return all(
        known[record.digest].tags.get(MODEL) == record.weights_sha256
        and (record.digest not in best or known[record.digest].tags.get(REGISTERED, "").rpartition("/")[0] in names)
        for record in on_disk
    )
