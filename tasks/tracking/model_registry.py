"""MLflow's model registry: the best kept model of each arm as STUDY-ARM, with the alias `champion` and the verdict on the arm."""

import json

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS

from bertft_core.config.base import digest_of
from tasks.tracking.current_store import current_store
from tasks.tracking.store_files import CHAMPION, REGISTERED

OWNER = ("bertft.study", "bertft.arm")
"""Tags of a registered model, and of a run: the study and the arm."""
MAX_DESCRIPTION = 5000
"""Characters that MLflow's tables hold."""


def registered_name(study: str, arm: str) -> str:
    """STUDY-ARM, without the characters that MLflow refuses in it."""
    return f"{study}-{arm}".replace("/", "_").replace(":", "_")


def own_name(client: MlflowClient, study: str, arm: str) -> str:
    """STUDY-ARM, and a few digits more where that is another's: `a-b` and `c` make the same name as `a` and `b-c`."""
    name = registered_name(study, arm)
    return f"{name}-{digest_of([study, arm])[:8]}" if _is_of_another(client, name, study, arm) else name


def _is_of_another(client: MlflowClient, name: str, study: str, arm: str) -> bool:
    """By its tags; one of before there were these is of the study whose runs its versions are, and one without any of nobody.

    Where all of its runs were deleted for good, nobody can tell, so it counts as another's.
    """
    try:
        tags = client.get_registered_model(name).tags
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False
    if OWNER[0] in tags:
        return bool((tags[OWNER[0]], tags.get(OWNER[1])) != (study, arm))
    named = [found.run_id for found in client.search_model_versions(f"name = '{name}'") if found.run_id]
    runs = [run for run_id in named if (run := _run_if_there(client, run_id)) is not None]
    return bool(named and not runs) or any(run.data.tags.get(OWNER[0]) != study for run in runs)


def _run_if_there(client: MlflowClient, run_id: str) -> Run | None:
    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def register(client: MlflowClient, experiment_id: str, run_id: str, of: tuple[str, str], claim: str) -> str:
    """Make the run's logged model the champion of a study's arm; NAME/VERSION. A model that has a version keeps it.

    Raises `MlflowException` where the store has no registry.
    """
    (model,) = client.search_logged_models([experiment_id], filter_string=f"source_run_id = '{run_id}'")
    claim, name = claim[:MAX_DESCRIPTION], own_name(client, *of)
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    client.update_registered_model(name, claim)
    for tag, value in zip(OWNER, of, strict=True):
        client.set_registered_model_tag(name, tag, value)
    source = f"models:/{model.model_id}"
    there = [found for found in client.search_model_versions(f"name = '{name}'") if found.source == source]
    if there:
        version = str(there[0].version)
        client.update_model_version(name, version, claim)
    else:
        with current_store(client):  # the store looks the model up there
            made = client.create_model_version(name, source, run_id, description=claim, model_id=model.model_id)
        version = str(made.version)
        link = json.dumps([{"name": name, "version": version}])
        client.set_logged_model_tags(model.model_id, {MLFLOW_MODEL_VERSIONS: link})  # by which its page finds the version
    client.set_registered_model_alias(name, CHAMPION, version)
    return f"{name}/{version}"


def unregister(client: MlflowClient, run_id: str) -> None:
    """Delete the version that a run's model has, if it has one; the name and its other versions stay."""
    registered = client.get_run(run_id).data.tags.get(REGISTERED)
    if registered is None:
        return
    name, _, version = registered.rpartition("/")
    for found in client.search_model_versions(f"name = '{name}'"):
        if str(found.version) == version:
            client.delete_model_version(name, version)
    client.delete_tag(run_id, REGISTERED)
