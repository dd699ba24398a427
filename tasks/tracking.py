"""MLflow's record of a study: one parent run, a run for each search, and a run for each training run below them.

Every MLflow run is found again by the digest in its tags, so nothing is logged twice, however often a study is interrupted.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow.entities import Dataset, DatasetInput, Metric, Param, Run, RunTag

from bertft_core.config import StudyConfig
from bertft_core.records import DatasetCard, RunRecord, RunSpec, StudyDir, StudySummary, SweepResult
from bertft_core.records.store import read_record
from tasks import mlflow_content as content
from tasks.mlflow_model import log_transformers_model
from tasks.mlflow_store import open_store, runs_where, settle_killed_runs
from tasks.provenance import provenance_files, provenance_tags
from tasks.writer import Writer

MAX_BATCH = 1000
"""Metrics MLflow takes in one call."""
FLUSH_SECONDS = 2.0
PARENT, SEARCH = "study", "search"
LOGGED = "bertft.logged"
"""Tag of a run whose record is completely in MLflow."""
MODEL = "bertft.model"
"""Tag of a run whose model is in MLflow: the hash of its final weights."""


class Tracker:
    """Tells MLflow what happens in one execution of a study; calls return at once and never raise for MLflow's troubles."""

    def __init__(self, study: StudyConfig, study_dir: StudyDir) -> None:
        self.study, self.study_dir = study, study_dir
        self.session = uuid.uuid4().hex
        self._writer = Writer()
        self._ready = threading.Event()
        self._known: dict[str, Run] = {}
        """Digest → MLflow run: of training runs by run digest, of searches and studies by theirs."""
        self._last_steps: dict[str, dict[str, int]] = {}
        self._search_runs: dict[str, str] = {}
        """Arm → MLflow run of its search."""

    @property
    def problems(self) -> list[str]:
        """What could not be logged, for the user to read; empty when all went well."""
        return self._writer.problems

    # -- the study ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Open the store and the parent run."""
        self._writer.post(self._open)

    def _open(self) -> None:
        try:
            tracking = self.study.tracking
            self._client, self._experiment_id = open_store(self.study_dir.home_dir, tracking.uri, self.study.name)
            settle_killed_runs(self._client, self._experiment_id)
            for run in runs_where(self._client, self._experiment_id, ""):
                tags = run.data.tags
                digest = tags.get("bertft.run_digest") or tags.get("bertft.search_digest") or tags.get("bertft.study_digest")
                if digest is not None:
                    self._known[digest] = run
            tags = {"bertft.study": self.study.name, "bertft.stage": PARENT, "bertft.study_digest": self.study.digest}
            self._parent = self._open_run(self.study.digest, self.study.name, tags | provenance_tags())
            for path in provenance_files(self.study_dir.path / "provenance"):
                self._client.log_artifact(self._parent, str(path), "provenance")
            self._client.log_artifact(self._parent, str(self.study_dir.config_path))
        finally:
            self._ready.set()

    def log_data(self, card: DatasetCard) -> None:
        """The data card, and the data set as an input of the study."""

        def job() -> None:
            self._client.log_dict(self._parent, card.model_dump(mode="json"), "data_card.json")
            self._client.set_tag(self._parent, "bertft.data_fingerprint", card.fingerprint)
            self._dataset = DatasetInput(Dataset(**content.dataset_source(card)))
            self._client.log_inputs(self._parent, datasets=[self._dataset])

        self._writer.post(job)

    def log_study(self, summary: StudySummary, note: str) -> None:
        """Statistics, report and result table on the parent."""

        def job() -> None:
            self._log_metrics(self._parent, content.summary_metrics(summary))
            self._client.set_tag(self._parent, "mlflow.note.content", note)
            for path in sorted(self.study_dir.report_dir.iterdir()):
                self._client.log_artifact(self._parent, str(path), "report")

        self._writer.post(job)

    def finish(self, status: str) -> None:
        """End the parent run: FINISHED, FAILED or KILLED, and everything this execution left open with it; then stop."""

        def job() -> None:
            self._client.set_terminated(self._parent, status=status)
            settle_killed_runs(self._client, self._experiment_id, self.session)

        self._writer.post(job)
        self._writer.close()

    # -- searches ----------------------------------------------------------------------------------------------------

    def log_search(self, result: SweepResult) -> None:
        """A finished search: what it chose, its trials, its report."""

        def job() -> None:
            known = self._known.get(result.digest)
            if known is not None and known.data.tags.get(LOGGED) == str(result.n_planned):
                return
            run_id = self._search_run(result.arm, result.digest)
            metrics = {"best_score": result.best_score, "best_trial": result.best_trial, "n_trials": len(result.trials)}
            self._log_metrics(run_id, {name: float(value) for name, value in metrics.items()})
            for name, value in result.chosen.items():
                self._client.set_tag(run_id, f"bertft.chosen.{name}", str(value))
            self._client.log_dict(run_id, result.model_dump(mode="json"), "result.json")
            for path in (result.report_path, result.storage_path):
                if path is not None:
                    self._client.log_artifact(run_id, str(self.study_dir.path / path))
            self._client.set_tag(run_id, LOGGED, str(result.n_planned))
            self._client.set_terminated(run_id, status="FINISHED")

        self._writer.post(job)

    def start_search(self, arm: str, digest: str) -> None:
        """A search begins or goes on."""
        self._writer.post(lambda: self._search_runs.update({arm: self._search_run(arm, digest)}))

    def _search_run(self, arm: str, digest: str) -> str:
        tags = {"bertft.study": self.study.name, "bertft.stage": SEARCH, "bertft.arm": arm, "bertft.search_digest": digest}
        return self._open_run(digest, f"{arm} · search", tags, parent=self._parent)

    # -- training runs -----------------------------------------------------------------------------------------------

    @contextmanager
    def run_of(self, spec: RunSpec) -> Iterator[Callable[[dict[str, Any]], None]]:
        """A listener for the events of a run; curves reach MLflow in batches while it trains."""
        pending: list[dict[str, Any]] = []
        flushed_at = time.monotonic()
        self._writer.post(lambda: self._begin(spec))

        def flush() -> None:
            events = [*pending]
            pending.clear()
            self._writer.post(lambda: self._log_events(spec, events))

        def on_event(event: dict[str, Any]) -> None:
            nonlocal flushed_at
            pending.append(event)
            if time.monotonic() - flushed_at > FLUSH_SECONDS:
                flush()
                flushed_at = time.monotonic()

        try:
            yield on_event
        finally:
            flush()

    def log_record(self, record: RunRecord) -> None:
        """Everything about a run that ended, as far as MLflow does not have it yet."""
        self._writer.post(lambda: self._log_record(record))

    def _begin(self, spec: RunSpec) -> str:
        known = self._known.get(spec.digest)
        if known is not None and spec.digest not in self._last_steps:
            self._last_steps[spec.digest] = self._logged_steps(known.info.run_id)
        parent = self._search_runs.get(spec.arm, self._parent) if spec.stage == "search" else self._parent
        run_id = self._open_run(spec.digest, spec.title, content.run_tags(spec), parent=parent)
        if known is None:
            params = [Param(name, value) for name, value in content.run_params(spec).items()]
            self._client.log_batch(run_id, params=params)
            self._client.log_inputs(run_id, datasets=[self._dataset])
        return run_id

    def _logged_steps(self, run_id: str) -> dict[str, int]:
        """Kind of event → the last step MLflow has of it."""
        names = {"step": "train/loss", "evaluation": "train/epoch"}
        return {
            kind: max((metric.step for metric in self._client.get_metric_history(run_id, name)), default=0)
            for kind, name in names.items()
        }

    def _log_events(self, spec: RunSpec, events: Iterable[dict[str, Any]]) -> None:
        """Log steps and evaluations that are newer than what MLflow has."""
        last = self._last_steps.setdefault(spec.digest, {"step": 0, "evaluation": 0})
        now = int(time.time() * 1000)
        metrics = [
            Metric(name, value, now, step)
            for event in events
            if event["kind"] in last and event["step"] > last[event["kind"]]
            for name, value, step in content.event_metrics(event)
        ]
        run_id = self._known[spec.digest].info.run_id
        for start in range(0, len(metrics), MAX_BATCH):
            self._client.log_batch(run_id, metrics=metrics[start : start + MAX_BATCH])
        for kind in last:
            last[kind] = max([last[kind], *(event["step"] for event in events if event["kind"] == kind)])

    def _log_record(self, record: RunRecord) -> None:
        spec, run_dir = record.spec, self.study_dir.run_dir(record.digest)
        run_id = self._begin(spec)
        self._log_events(spec, _curves(run_dir))
        self._log_metrics(run_id, content.record_metrics(record))
        for name in ("record.json", "curves.jsonl", "log.txt"):
            if (run_dir / name).exists():
                self._client.log_artifact(run_id, str(run_dir / name))
        if (run_dir / "predictions").exists():
            self._client.log_artifacts(run_id, str(run_dir / "predictions"), "predictions")
        tags = content.end_tags(record) | {LOGGED: "true"}
        self._client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])
        self._client.set_terminated(run_id, status=content.STATUS[record.status])
        self._known[record.digest] = self._client.get_run(run_id)

    def catch_up(self, records: Iterable[RunRecord]) -> None:
        """Log what MLflow lacks of these records (its store was away, or is new), and put all of them below this parent."""

        def job(record: RunRecord) -> None:
            known = self._known.get(record.digest)
            if known is None or known.data.tags.get(LOGGED) != "true":
                self._log_record(record)
            elif record.spec.stage == "seeds" and known.data.tags.get("mlflow.parentRunId") != self._parent:
                self._client.set_tag(known.info.run_id, "mlflow.parentRunId", self._parent)

        for record in records:
            self._writer.post(lambda record=record: job(record))  # type: ignore[misc]

    def log_model(self, record: RunRecord) -> None:
        """A kept checkpoint as an MLflow model of its run, which `mlflow.transformers.load_model` opens."""
        run_dir = self.study_dir.run_dir(record.digest)

        def job() -> None:
            known = self._known[record.digest]
            if known.data.tags.get(MODEL) == record.weights_sha256:
                return
            log_transformers_model(self._client, known.info.run_id, run_dir / "model", record)
            self._client.set_tag(known.info.run_id, MODEL, record.weights_sha256)

        self._writer.post(job)

    def restore(self, digest: str, run_dir: Path) -> RunRecord | None:
        """Fetch a finished run's files from MLflow into its folder; None when MLflow has no such run."""
        self._ready.wait()
        known = self._known.get(digest)
        if known is None or known.data.tags.get(LOGGED) != "true":
            return None
        run_dir.mkdir(parents=True, exist_ok=True)
        for item in self._client.list_artifacts(known.info.run_id):
            if item.path in ("record.json", "curves.jsonl", "predictions"):
                self._client.download_artifacts(known.info.run_id, item.path, str(run_dir))
        return read_record(run_dir / "record.json", RunRecord)

    def discard(self, digest: str) -> None:
        """Forget a run that is to be trained again."""
        self._ready.wait()
        known = self._known.pop(digest, None)
        if known is not None:
            self._writer.post(lambda: self._client.delete_run(known.info.run_id))

    # -- below ---------------------------------------------------------------------------------------------------------

    def _open_run(self, digest: str, name: str, tags: dict[str, str], parent: str | None = None) -> str:
        """The MLflow run with this digest, RUNNING: the one there is, or a new one."""
        tags = tags | {"bertft.session": self.session}
        if parent is not None:
            tags["mlflow.parentRunId"] = parent
        known = self._known.get(digest)
        if known is None:
            run = self._client.create_run(self._experiment_id, tags=tags, run_name=name)
            self._known[digest] = run
            return str(run.info.run_id)
        run_id = str(known.info.run_id)
        self._client.update_run(run_id, status="RUNNING")
        self._client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])
        return run_id

    def _log_metrics(self, run_id: str, metrics: dict[str, float]) -> None:
        now = int(time.time() * 1000)
        rows = [Metric(name, value, now, 0) for name, value in metrics.items()]
        for start in range(0, len(rows), MAX_BATCH):
            self._client.log_batch(run_id, metrics=rows[start : start + MAX_BATCH])


def _curves(run_dir: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in (run_dir / "curves.jsonl").read_text(encoding="utf-8").splitlines()]
    except FileNotFoundError:
        return []
