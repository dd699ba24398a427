"""`bertft server status`: what of a lab runs, and whether it lets us in."""

from pathlib import Path
from typing import Any

from bertft_core.config import UserError
from bertft_core.storage.home_folder import home_dir
from flows.cli.lab.credentials import read_credentials
from flows.cli.lab.databases import expect_databases, lab_url
from flows.cli.lab.lab_dir import Lab, LabDir, LabState
from flows.cli.lab.services import MLFLOW, PREFECT, answers, automations
from flows.cli.terminal import say, say_json

WORDS = {"ready": "ready", "refused": "refuses the passwords in credentials.env", "away": "does not answer"}


def status_command(home: Path | None, *, as_json: bool = False) -> int:
    """Say what runs and whether it lets us in; 0 when all is ready, else 1."""
    lab_dir = LabDir(home_dir(home))
    lab, state = lab_dir.lab(), lab_dir.state()
    if lab is None:
        say(f"there is no lab in {lab_dir.home}; bertft server up makes one")
    elif not lab_dir.runs or state is None:
        say(f"the lab of {lab_dir.home} does not run; bertft server up starts it")
    else:
        return _of_running(lab, lab_dir, state, as_json=as_json)
    if as_json:
        say_json({"home": str(lab_dir.home), "exists": lab is not None, "runs": False, "is_up": False, "services": {}})
    return 1


def _of_running(lab: Lab, lab_dir: LabDir, state: LabState, *, as_json: bool) -> int:
    credentials = read_credentials(lab_dir.credentials_path)
    found = {name: answers(name, lab, lab_dir, credentials) for name in (PREFECT, MLFLOW)}
    words = _of_databases(lab, lab_dir)
    is_up = bool(state.is_up and words == "ready" and set(found.values()) == {"ready"})
    if as_json:
        services: dict[str, Any] = {"PostgreSQL": {"state": words}}
        services |= {name: {"state": found[name], "url": url} for name, url in _urls(lab)}
        say_json({"home": str(lab_dir.home), "exists": True, "runs": True, "is_up": is_up, "services": services})
        return 0 if is_up else 1
    say(f"lab of {lab_dir.home}: {state.owner.words()}")
    if not state.is_up:
        say("  it is still starting")
    say(f"  {'PostgreSQL':<12} {words}")
    for name, url in _urls(lab):
        say(f"  {name:<12} {WORDS[found[name]]:<16} {url}")
    if found[PREFECT] == "ready":
        say(f"  {'notified':<12} {notified(lab, lab_dir, credentials)}")
    for name, n in state.restarts.items():
        say(f"  {name} was started again {n} time{'s' if n > 1 else ''}: {lab_dir.log_path(name)}")
    return 0 if is_up else 1


def notified(lab: Lab, lab_dir: LabDir, credentials: dict[str, str]) -> str:
    """Who hears of failures and regressions."""
    if names := automations(lab, lab_dir, credentials):
        return f"a webhook, by {len(names)} automations"
    return f"nobody; to tell a chat: . {lab_dir.credentials_path}; bertft server notify < FILE"


def _urls(lab: Lab) -> tuple[tuple[str, str], ...]:
    return (PREFECT, lab.prefect_url), (MLFLOW, lab.mlflow_url)


def _of_databases(lab: Lab, lab_dir: LabDir) -> str:
    try:
        expect_databases(lab_url(lab_dir.postgres_dir, lab.database))
    except UserError as error:
        return f"{error.problem}: {error.found}"
    return "ready"
