"""`bertft announce`: the event `bertft.dataset.updated`, on which the deployment `on-dataset-updated` starts a study."""

import asyncio
import sys
from pathlib import Path
from typing import Any

from bertft_core.config import StudyConfig, UserError
from bertft_core.config.addresses import shown, without_password
from bertft_core.records.event_records import DATASET_UPDATED, DatasetUpdated
from bertft_core.report.study_as_yaml import shortest_values
from bertft_core.storage.home_folder import home_dir
from flows.cli.find_study import load_config
from flows.cli.server_answers import wrong_prefect_credentials
from flows.cli.terminal import say, say_json
from tasks.tracking.store_login import was_refused

DEPLOYMENT = "update-study/on-dataset-updated"
EXAMPLE_URL = "http://127.0.0.1:4200/api"
HOW_TO_SERVE = "\n            ".join(
    (
        "serve the deployments, as docs/guides/prefect.md says:",
        "prefect server start",
        f"export PREFECT_API_URL={EXAMPLE_URL}",
        "prefect work-pool create local --type process",
        "prefect --no-prompt deploy --all",
        "prefect worker start --pool local --limit 1",
    )
)


def announce_command(config: Path, overrides: list[str], home: Path | None, *, as_json: bool = False) -> int:
    """Emit the event for a valid study, and return when the server has it. Raises `UserError` when no server answers."""
    where = home_dir(home)
    study = load_config(config, overrides, where)  # a mistake is reported here, not in the log of a worker
    announced = announce(study, None if home is None else where)
    if as_json:
        say_json(announced)
    return 0


def announce(study: StudyConfig, home: Path | None, *, files_sha256: str | None = None) -> dict[str, Any]:
    """Emit the event with the whole study in it, and say so; what is said, for programs.

    `home` None leaves the place to the worker.
    """
    values = shortest_values(study)
    if study.tracking.uri is not None:  # a password stays here; the worker has its own MLFLOW_TRACKING_URI
        values["tracking"]["uri"] = without_password(study.tracking.uri)
    where = None if home is None else str(home)
    content = DatasetUpdated(study=study.name, config=values, home=where, files_sha256=files_sha256)
    api_url = _api_url()
    from prefect.settings import PREFECT_UI_URL

    served, look = asyncio.run(_announce(api_url, study, content.model_dump(mode="json"))), f"{PREFECT_UI_URL.value()}/runs"
    say(f"announced  {DATASET_UPDATED} for {study.name}")
    say(f"home       {where or 'that of the worker'}")
    say(f"look       {look}")
    if not served:
        say(
            f"warning    nothing starts: the server has no deployment {DEPLOYMENT}; prefect --no-prompt deploy --all",
            file=sys.stderr,
        )
    return {"event": DATASET_UPDATED, "study": study.name, "home": where, "look": look, "starts": served}


def _api_url() -> str:
    """The server's address, from PREFECT_API_URL or the active profile of Prefect."""
    from prefect.settings import PREFECT_API_URL

    url = PREFECT_API_URL.value()
    if not url:
        raise UserError(
            "there is no Prefect server to announce to",
            code="prefect.no-server",
            found="PREFECT_API_URL is not set",
            expected=f"the address of a server, such as PREFECT_API_URL={EXAMPLE_URL}",
            hint=HOW_TO_SERVE,
        )
    return str(url)


async def _announce(api_url: str, study: StudyConfig, payload: dict[str, Any]) -> bool:
    """Send the event; whether the server has a deployment that waits for it."""
    from prefect.client.orchestration import get_client
    from prefect.events import Event
    from prefect.events.clients import get_events_client
    from prefect.exceptions import ObjectNotFound

    resource = {"prefect.resource.id": f"bertft.dataset.{study.name}", "prefect.resource.name": study.name}
    try:
        async with get_client() as client:
            if (sick := await client.api_healthcheck()) is not None:
                raise sick
            try:
                await client.read_deployment_by_name(DEPLOYMENT)
                served = True
            except ObjectNotFound:
                served = False
        # emit_event would queue the event and keep quiet about a failure; after every event this client waits for the server
        async with get_events_client(reconnection_attempts=0, checkpoint_every=1) as events:
            await events.emit(Event(event=DATASET_UPDATED, resource=resource, payload=payload))
    except Exception as problem:  # of whatever kind: the server answers anything
        if was_refused(problem):
            raise wrong_prefect_credentials(api_url) from problem
        raise _no_answer(api_url, problem) from problem
    return served


def _no_answer(api_url: str, problem: Exception) -> UserError:
    return UserError(
        f"Prefect's server at {without_password(api_url)} does not take the event",
        code="prefect.event-refused",
        found=shown(problem),
        expected="a running server at PREFECT_API_URL",
        hint=f"correct PREFECT_API_URL, or {HOW_TO_SERVE}",
    )
