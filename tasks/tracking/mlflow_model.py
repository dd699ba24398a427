"""A saved model as an MLflow model.

MLflow 3.17 cannot log a folder under transformers 5 (it expects classes where there are names), so the model is loaded for it.
"""

import importlib
import importlib.metadata
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric

from bertft_core.config.head_settings import part_file
from bertft_core.records import RunRecord, RunSpec
from bertft_core.storage.damage import HEAD_FILE
from tasks.tracking.current_store import current_store
from tasks.tracking.mlflow_content import event_metrics
from tasks.tracking.model_registry import unregister
from tasks.tracking.store_files import MLFLOW_STATUS

NOT_IN_A_NAME = re.compile("[/:.%\"']")
"""Characters that MLflow refuses in the name of a logged model."""
LIBRARIES = ("mlflow.transformers", "transformers.pipelines", "bertft_core.heads")
HEAD_DIR = "head"
"""Artifacts of a run that belong to its model and for which transformers has no place."""


def log_transformers_model(client: MlflowClient, run_id: str, model_dir: Path, record: RunRecord) -> None:
    """Log the folder as a model of the run, named STUDY-ARM, so that `mlflow.transformers.load_model` opens it offline.

    The configuration of the head, its extra parts (such as a CRF) and the adapters of LoRA, for which transformers has no place,
    go to the run's artifacts under `head`.
    """
    import_libraries()
    import mlflow.transformers
    import transformers

    from bertft_core.heads import HEADS
    from bertft_core.training.adapter_file import FOLDER

    transformers.logging.disable_progress_bar()
    head = record.spec.head
    model_class = getattr(transformers, head.auto_class)
    model = model_class.from_pretrained(model_dir, use_safetensors=True, local_files_only=True)
    tokenizer = transformers.AutoTokenizer.from_pretrained(model_dir, local_files_only=True)
    needs = [f"{name}=={importlib.metadata.version(name)}" for name in ("torch", "transformers")]
    as_it_was = _run_as_it_was(client, run_id, MLFLOW_STATUS[record.status])
    with current_store(client), as_it_was, _known_histories(client, run_id, record):
        mlflow.transformers.log_model(
            transformers_model={"model": model, "tokenizer": tokenizer},
            name=logged_name(record.spec),
            task=HEADS[head.kind].pipeline,
            pip_requirements=[need.partition("+")[0] for need in needs],
            metadata={"run_digest": record.digest, "weights": f"best, step {record.best_step}"},
        )
    for path in (model_dir / name for name in (HEAD_FILE, *map(part_file, head.extra_parts))):
        if path.exists():
            client.log_artifact(run_id, str(path), HEAD_DIR)
    if (model_dir / FOLDER).is_dir():
        client.log_artifacts(run_id, str(model_dir / FOLDER), f"{HEAD_DIR}/{FOLDER}")


def import_libraries() -> None:
    """What a model is logged with; torch and transformers take seconds, and this process needs them for nothing else."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # MLflow would look the base model up on the hub, for its card
    for name in LIBRARIES:
        importlib.import_module(name)


def logged_name(spec: RunSpec) -> str:
    """What MLflow calls the model of a run."""
    return NOT_IN_A_NAME.sub("_", f"{spec.study}-{spec.arm}")


@contextmanager
def _run_as_it_was(client: MlflowClient, run_id: str, status: str) -> Iterator[None]:
    """The run as MLflow's active one; its end time and status are restored afterwards, also when the block raises."""
    import mlflow

    end_time = client.get_run(run_id).info.end_time
    try:
        with mlflow.start_run(run_id=run_id):
            yield
    finally:
        client.set_terminated(run_id, status=status, end_time=end_time)


@contextmanager
def _known_histories(client: MlflowClient, run_id: str, record: RunRecord) -> Iterator[None]:
    """Answer what MLflow asks when it gives a model the metrics of its run: the history of each, by a request for each.

    It keeps those of step 0. That is where the last point of a metric without steps is, which one request has for all metrics; of
    the others only those that were measured untrained have such a point, and their histories are fetched.
    """
    latest = {found.key: Metric.from_proto(found) for found in client.get_run(run_id).data.to_proto().metrics}
    untrained = {} if record.untrained is None else {"kind": "untrained"} | record.untrained.model_dump()
    from_the_start = {name for name, _, _ in event_metrics(untrained)} if untrained else set()
    asked = MlflowClient.get_metric_history

    def history(self: MlflowClient, of_run: str, key: str) -> list[Metric]:
        last = latest.get(key)
        if of_run != run_id or last is None or last.model_id is not None or (last.step > 0 and key in from_the_start):
            return list(asked(self, of_run, key))
        return [last] if last.step == 0 else []

    MlflowClient.get_metric_history = history  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        MlflowClient.get_metric_history = asked  # type: ignore[method-assign]


def delete_models(client: MlflowClient, experiment_id: str, run_id: str) -> None:
    """Delete the models that a run has logged, their files too: MLflow itself only hides a deleted model.

    What is registered of them goes first: a version without files cannot be loaded.
    """
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    unregister(client, run_id)
    for model in client.search_logged_models([experiment_id], filter_string=f"source_run_id = '{run_id}'"):
        get_artifact_repository(model.artifact_location, client.tracking_uri).delete_artifacts()
        client.delete_logged_model(model.model_id)
    if any(item.path == HEAD_DIR for item in client.list_artifacts(run_id)):
        artifacts = str(client.get_run(run_id).info.artifact_uri)
        get_artifact_repository(artifacts, client.tracking_uri).delete_artifacts(HEAD_DIR)
