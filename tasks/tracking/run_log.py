"""Training runs in MLflow: begun, with curves while they train, complete when they ended, and back to disk when lost there.

Every call writes, and raises when the store does.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Param

from bertft_core.config import StudyConfig
from bertft_core.config.base import digest_of
from bertft_core.records import DatasetCard, RunRecord, RunSpec
from bertft_core.seeds import cell_of
from bertft_core.storage.curve_lines import curve_events
from bertft_core.storage.damage import damage_of_model
from bertft_core.storage.study_dir import PROBES_FILE, StudyDir, read_record
from tasks.tracking import mlflow_content as content
from tasks.tracking.mlflow_model import delete_models, log_transformers_model
from tasks.tracking.mlflow_runs import MlflowRuns
from tasks.tracking.mlflow_store import download
from tasks.tracking.model_registry import register
from tasks.tracking.store_files import LOGGED, MLFLOW_STATUS, MODEL, PARENT_TAG, REGISTERED

BEGUN, DROPPED = "begun", "dropped"
CURVES = {"step": "train/loss", "evaluation": "train/epoch", "untrained": "train/epoch"}
"""Kind of event → a metric that every such event has."""
PROBED = "bertft.probed"
"""Tag of a run whose probes are in MLflow: the digest of their numbers."""
RESTORED = ("record.json", "probes.json", "curves.jsonl", "predictions")


class MlflowRunLog:
    """The training runs of one study."""

    def __init__(self, runs: MlflowRuns, study_dir: StudyDir, study: StudyConfig) -> None:
        self._runs, self._study_dir, self._seeds = runs, study_dir, study.seeds
        self._every, self._system = study.tracking.every_metric, study.tracking.system_metrics
        self.card: DatasetCard | None = None
        self._logged: dict[str, dict[str, set[int]]] = {}
        """Run digest → kind of event → the steps of which MLflow has the curves."""

    def begin(self, spec: RunSpec, parent: str, since_ms: int | None = None) -> str:
        """Open the run's MLflow run, with its settings; its id. It is a new one of a run that began then, where there is none."""
        known = self._runs.id_of(spec.digest)
        run_id = self._runs.open(spec.digest, spec.title, content.run_tags(spec), parent, since_ms=since_ms)
        if spec.digest not in self._logged:
            if not self._runs.has_params(spec.digest):
                own = {} if self.card is None else content.data_params(spec, self.card.of_run(spec))
                params = [Param(name, value) for name, value in (content.run_params(spec, self._places(spec)) | own).items()]
                self._runs.client.log_batch(run_id, params=params)
            if self.card is not None:
                self._runs.client.log_inputs(run_id, datasets=[content.dataset_input(self.card.of_run(spec))])
            self._logged[spec.digest] = {kind: self._steps(known, name) for kind, name in CURVES.items()}
        return run_id

    def _places(self, spec: RunSpec) -> dict[str, int]:
        cell = cell_of(self._seeds, spec.index) if spec.stage == "seeds" else None
        return {} if cell is None else cell._asdict()

    def _steps(self, run_id: str | None, metric: str) -> set[int]:
        return set() if run_id is None else {point.step for point in self._runs.client.get_metric_history(run_id, metric)}

    def log_events(
        self, spec: RunSpec, events: Iterable[dict[str, Any]], time_ms: int, numbers: Mapping[str, float] | None = None
    ) -> None:
        """Log the steps and evaluations that MLflow lacks; none before the run is begun, since its record has them all.

        `numbers` have no step and are logged in one call with them. What a run uses of its machine is in no record: it is lost
        where MLflow is away.
        """
        logged, run_id = self._logged.get(spec.digest), self._runs.id_of(spec.digest)
        if logged is None or run_id is None:
            return
        events = list(events)
        new = [event for event in events if event["kind"] in logged and event["step"] not in logged[event["kind"]]]
        measured = [event for event in events if event["kind"] == content.SYSTEM and self._system]
        points = [
            Metric(name, value, time_ms, step)
            for event in (*new, *measured)
            for name, value, step in content.event_metrics(event, every=self._every)
        ]
        self._runs.log_numbers(run_id, numbers or {}, points)
        for event in new:
            logged[event["kind"]].add(event["step"])

    def log_record(self, record: RunRecord, parent: str, time_ms: int) -> None:
        """Everything about a run that ended, as far as MLflow does not have it yet.

        Nothing where the study's folder has a later record of the run: it has gone on since, as one that stopped at its cut does,
        and this one comes late.
        """
        now = self._study_dir.record(record.digest)
        if now is not None and now.ended_at > record.ended_at:
            return
        spec, run_dir = record.spec, self._study_dir.run_dir(record.digest)
        run_id = self.begin(spec, parent, _ms(record.started_at))
        untrained = [] if record.untrained is None else [{"kind": "untrained"} | record.untrained.model_dump()]
        self.log_events(spec, [*untrained, *_curves(run_dir)], time_ms, content.record_metrics(record, every=self._every))
        client = self._runs.client
        for name in ("record.json", "curves.jsonl", "log.txt"):
            if (run_dir / name).exists():
                client.log_artifact(run_id, str(run_dir / name))
        if (run_dir / "predictions").exists():
            client.log_artifacts(run_id, str(run_dir / "predictions"), "predictions")
        self._runs.end(record.digest, MLFLOW_STATUS[record.status], _ms(record.ended_at))
        self._runs.tag(record.digest, content.end_tags(record) | {LOGGED: record.ended_at})  # last: it says that all is there
        del self._logged[record.digest]

    def catch_up(self, record: RunRecord, parent: str, time_ms: int) -> None:
        """Log a record that MLflow lacks (its store was away, or is new); one that it has is put below this parent.

        A run that a guard took for one left open is given its status again.
        """
        if self._runs.tag_of(record.digest, LOGGED) != record.ended_at:
            self.log_record(record, parent, time_ms)
            return
        if self._runs.status_of(record.digest) != MLFLOW_STATUS[record.status]:
            self._runs.end(record.digest, MLFLOW_STATUS[record.status], _ms(record.ended_at))
        if self._runs.tag_of(record.digest, PARENT_TAG) != parent:
            self._runs.tag(record.digest, {PARENT_TAG: parent})

    def log_model(self, record: RunRecord) -> None:
        """A kept checkpoint as an MLflow model of its run, which `mlflow.transformers.load_model` opens."""
        run_id = self._runs.id_of(record.digest)
        if run_id is None or record.weights_sha256 is None or self._runs.tag_of(record.digest, MODEL) == record.weights_sha256:
            return
        model_dir = self._study_dir.run_dir(record.digest) / "model"
        _refuse_damaged(record, model_dir.parent)
        self._runs.take(record.digest, {MODEL: BEGUN})
        delete_models(self._runs.client, self._runs.experiment_id, run_id)  # what a kill left of it, or one of other weights
        log_transformers_model(self._runs.client, run_id, model_dir, record)
        self._runs.tag(record.digest, {MODEL: record.weights_sha256})

    def register_model(self, record: RunRecord, arm: str, claim: str) -> None:
        """The model of an arm's best run in MLflow's registry; nothing where the run has no model in MLflow."""
        run_id = self._runs.id_of(record.digest)
        if run_id is not None and self._runs.tag_of(record.digest, MODEL) == record.weights_sha256:
            of = self._study_dir.path.name, arm
            version = register(self._runs.client, self._runs.experiment_id, run_id, of, claim)
            self._runs.tag(record.digest, {REGISTERED: version})

    def drop_model(self, digest: str) -> None:
        """Delete the model of a run, and log its record again, which may say why; nothing where MLflow has no model of it."""
        run_id = self._runs.id_of(digest)
        if run_id is None or self._runs.tag_of(digest, MODEL) in (None, DROPPED):
            return
        delete_models(self._runs.client, self._runs.experiment_id, run_id)
        self._runs.tag(digest, {MODEL: DROPPED})
        record_path = self._study_dir.run_dir(digest) / "record.json"
        if record_path.exists():
            self._runs.client.log_artifact(run_id, str(record_path))

    def discard(self, digest: str) -> None:
        """Delete a run that an earlier session has logged, its model too: it is to be trained again."""
        run_id = self._runs.earlier_id_of(digest)
        if run_id is None:
            return
        if self._runs.tag_of(digest, MODEL) not in (None, DROPPED):
            delete_models(self._runs.client, self._runs.experiment_id, run_id)
        self._runs.delete(digest)

    def log_probes(self, digest: str, metrics: dict[str, float]) -> None:
        """What the probes of this study say of a run, and the file they were read from; nothing where MLflow has that."""
        run_id, numbers = self._runs.id_of(digest), digest_of(metrics)
        if run_id is None or self._runs.tag_of(digest, PROBED) == numbers:
            return
        self._runs.log_numbers(run_id, metrics)
        path = self._study_dir.run_dir(digest) / PROBES_FILE
        if path.exists():
            self._runs.client.log_artifact(run_id, str(path))
        self._runs.tag(digest, {PROBED: numbers})

    def restore(self, digest: str, run_dir: Path) -> RunRecord | None:
        """Fetch a finished run's files into its folder; None when MLflow has no such run."""
        run_id = self._runs.id_of(digest)
        if run_id is None or self._runs.tag_of(digest, LOGGED) is None:
            return None
        run_dir.mkdir(parents=True, exist_ok=True)
        download(self._runs.client, run_id, RESTORED, run_dir)
        return read_record(run_dir / "record.json", RunRecord)


def _refuse_damaged(record: RunRecord, run_dir: Path) -> None:
    for damage in damage_of_model(record, run_dir):
        raise OSError(f"{damage.path} is damaged ({damage.problem}); the model is not logged, --force trains it again")


def _curves(run_dir: Path) -> list[dict[str, Any]]:
    return curve_events(run_dir / "curves.jsonl")


def _ms(time: str) -> int:
    """MLflow's page shows how long a run took; a record may be logged minutes after the run ended."""
    return int(datetime.fromisoformat(time).timestamp() * 1000)
