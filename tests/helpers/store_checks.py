"""What must be true of a study after anything was killed: the numbers of one that nobody touched, all of it logged once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from mlflow import MlflowClient

from bertft_core.records import RunRecord
from bertft_core.storage.study_dir import file_sha256
from tasks.mlflow_address import tracking_uri
from tests.helpers.study_commands import TinyStudy
from tests.helpers.waiting import becomes

TIMES = (
    "started_at",
    "ended_at",
    "train_seconds",
    "evaluate_seconds",
    "examples_per_second",
    "peak_memory_bytes",
    "peak_reserved_bytes",
    "environment",
    "attempts",
)

HOURS = {"insights": {"budgets": {"__all__": {"sentence": True, "points": {"__all__": {"hours"}}}}}}
"""Where a summary tells times."""


def differences(study: TinyStudy, straight: TinyStudy) -> list[str]:
    """What is not bit for bit the same in two studies with one configuration; empty when all is."""
    found = [] if study.records.keys() == straight.records.keys() else ["other runs"]
    for digest, theirs in straight.records.items():
        ours = study.records.get(digest)
        if ours is None:
            continue
        found += [f"{theirs.spec.title}: {name}" for name in record_differences(ours, theirs)]
        found += [] if same_curves(study.dir.run_dir(digest), straight.dir.run_dir(digest)) else [f"{theirs.spec.title}: curves"]
    trials = [sorted(path.read_bytes() for path in one.dir.path.glob("sweep/*/result.json")) for one in (study, straight)]
    found += ["trials of the search"] if trials[0] != trials[1] else []
    ours, theirs = (one.summary.model_dump(exclude=HOURS) for one in (study, straight))
    return found + (["summary"] if ours != theirs else [])


def record_differences(ours: RunRecord, theirs: RunRecord) -> list[str]:
    """Fields of two records of one run that are not the same, times apart."""
    here, there = (record.model_dump(exclude={*TIMES, "spec"}) for record in (ours, theirs))
    return [name for name in there if here[name] != there[name]]


def same_curves(run_dir: Path, straight_dir: Path) -> bool:
    return (run_dir / "curves.jsonl").read_bytes() == (straight_dir / "curves.jsonl").read_bytes()


def run_files(study: TinyStudy) -> dict[str, dict[str, str]]:
    """Run digest → file → SHA-256, of what a run leaves that tells no time and no place."""
    return {
        digest: {
            path.relative_to(folder).as_posix(): file_sha256(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name not in ("record.json", "spec.json", "log.txt")
        }
        for digest in study.records
        for folder in (study.dir.run_dir(digest),)
    }


def misloggings(study: TinyStudy, stages: Iterable[str] = ("seeds",)) -> list[str]:
    """Runs that MLflow has not, or not once, or not FINISHED; and steps that it lacks or has twice."""
    client = MlflowClient(tracking_uri(study.home, study.tracking_uri))
    runs = [run for stage in stages for run in study.runs(stage) if "bertft.run_digest" in run.data.tags]
    counts = Counter(run.data.tags["bertft.run_digest"] for run in runs)
    wrong = {title_of(study, digest): n for digest, n in counts.items() if digest not in study.records or n != 1}
    found = [f"{n} MLflow runs of {title}" for title, n in wrong.items()]
    found += [f"no MLflow run of {title_of(study, digest)}" for digest in study.records.keys() - counts.keys()]
    for run in runs:
        record = study.records.get(run.data.tags["bertft.run_digest"])
        if record is None:
            continue  # reported above
        logged = {name: _steps(client, run.info.run_id, name) for name in ("train/loss", "validation/accuracy")}
        validated = [e.step for e in (record.untrained, *record.evaluations) if e is not None]
        wanted = {"train/loss": list(range(1, record.n_steps + 1)), "validation/accuracy": validated}
        found += [f"{record.spec.title}: {name} at {logged[name]}" for name in wanted if logged[name] != wanted[name]]
        found += [] if run.info.status == "FINISHED" else [f"{record.spec.title}: {run.info.status}"]
    return found


def title_of(study: TinyStudy, digest: str) -> str:
    record = study.records.get(digest)
    return f"a run that is not in the study, {digest}" if record is None else record.spec.title


def _steps(client: MlflowClient, run_id: str, metric: str) -> list[int]:
    return sorted(point.step for point in client.get_metric_history(run_id, metric))


def all_statuses(study: TinyStudy) -> list[str]:
    """Of every MLflow run there is, parent first."""
    return [run.info.status for stage in ("study", "search", "seeds") for run in study.runs(stage)]


def no_run_is_left_running(study: TinyStudy, within_seconds: float) -> bool:
    return becomes(lambda: "RUNNING" not in all_statuses(study), within_seconds, every=0.2)
