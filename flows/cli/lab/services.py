"""The servers of a lab: how each is started and whether it lets us in. Passwords reach them in variables only."""

import os
import platform
import secrets
import sys
from dataclasses import dataclass, field
from typing import Literal

from bertft_core.processes import child_environment
from flows.cli.lab.credentials import LOGIN, PASSWORD, USER
from flows.cli.lab.databases import lab_url
from flows.cli.lab.lab_dir import EVERYWHERE, LOOPBACK, Lab, LabDir
from flows.cli.lab.postgres import server_command
from flows.cli.server_answers import answer_of, basic_login, names_of
from tasks.process_environment import SETTINGS, steering_servers

POSTGRES, PREFECT, MLFLOW, WORKER = "PostgreSQL", "Prefect", "MLflow", "worker"
POOL = "local"
"""The work pool that `prefect.yaml` names."""
MLFLOW_USERS = """[mlflow]
default_permission = EDIT
database_uri = {uri}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
auth_cache_ttl_seconds = 60
"""
"""Members of a lab continue each other's studies. The first user and its password come from variables. A password is compared by
its slow hash once a minute: with every request it takes a tenth of a second of a core, most of what a request costs.
"""


@dataclass(frozen=True)
class Service:
    """A process of a lab: one of our modules, with our end of its stdin; it ends when that is closed."""

    name: str
    module: str
    words: list[str]
    environment: dict[str, str] = field(repr=False)


def own_postgres(lab_dir: LabDir) -> Service:
    """The lab's own PostgreSQL."""
    return Service(POSTGRES, "flows.cli.child_process", server_command(lab_dir.postgres_dir), clean_environment({}))


def prefect_server(lab: Lab, lab_dir: LabDir, credentials: dict[str, str]) -> Service:
    """Prefect's API and pages, with basic authentication."""
    url = lab_url(lab_dir.postgres_dir, lab.database).set(drivername="postgresql+asyncpg", database="prefect")
    variables = {
        "PREFECT_HOME": str(lab_dir.path / "prefect"),
        "PREFECT_API_DATABASE_CONNECTION_URL": url.render_as_string(hide_password=False),
        "PREFECT_SERVER_API_AUTH_STRING": credentials[LOGIN],
        "PREFECT_API_AUTH_STRING": credentials[LOGIN],  # of its own services, which call the API
        "PREFECT_UI_API_URL": f"{lab.prefect_url}/api",
    }
    return Service(PREFECT, "flows.cli.embedded_server", [str(lab.port), lab.host], clean_environment(variables))


def mlflow_server(lab: Lab, lab_dir: LabDir, credentials: dict[str, str]) -> Service:
    """MLflow with users, and with artifacts that go through it, so that clients need no access to where they are kept."""
    uri = lab_url(lab_dir.postgres_dir, lab.database).set(database="mlflow").render_as_string(hide_password=False)
    users = lab_dir.path / "mlflow-users.ini"
    users.write_text(MLFLOW_USERS.format(uri=uri.replace("%", "%%")), encoding="utf-8")
    variables = {
        "MLFLOW_BACKEND_STORE_URI": uri,
        "MLFLOW_AUTH_CONFIG_PATH": str(users),
        "MLFLOW_AUTH_ADMIN_USERNAME": USER,
        "MLFLOW_AUTH_ADMIN_PASSWORD": credentials[PASSWORD],
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_urlsafe(32),  # of its sign-up form
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # saves two gigabytes
    }
    artifacts = lab.artifacts or str(lab_dir.path / "mlflow-artifacts")
    words = ["server", "--app-name", "basic-auth", "--host", lab.host, "--port", str(lab.port + 1), "--workers", "2"]
    words += ["--artifacts-destination", artifacts, *_callers(lab)]
    return Service(MLFLOW, "flows.cli.child_process", [sys.executable, "-m", "mlflow", *words], clean_environment(variables))


def _callers(lab: Lab) -> list[str]:
    """What MLflow takes for its own name; by default it knows this machine and private networks."""
    if lab.host == LOOPBACK:
        return []
    names = dict.fromkeys([lab.name, platform.node(), "localhost", LOOPBACK])
    return [
        *("--allowed-hosts", ",".join(form for name in names for form in (name, f"{name}:{lab.port + 1}"))),
        *("--cors-allowed-origins", ",".join(f"http://{name}:{lab.port + 1}" for name in names)),
    ]


def worker(lab: Lab, lab_dir: LabDir, credentials: dict[str, str]) -> Service:
    """Runs the deployed studies one after the other, with the lab's Prefect and MLflow, in the home that the lab is in."""
    variables = client_environment(lab, lab_dir, credentials)
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL, "--limit", "1", "--name", "lab"]
    return Service(WORKER, "flows.cli.child_process", command, clean_environment(variables))


def client_environment(lab: Lab, lab_dir: LabDir, credentials: dict[str, str]) -> dict[str, str]:
    """Variables of a client on this machine."""
    here = Lab(**lab.model_dump() | {"name": LOOPBACK if lab.host in (LOOPBACK, *EVERYWHERE) else lab.host})
    addresses = {"PREFECT_API_URL": f"{here.prefect_url}/api", "MLFLOW_TRACKING_URI": here.mlflow_url}
    places = {"PREFECT_HOME": str(lab_dir.path / "prefect"), "BERTFT_HOME": str(lab_dir.home)}
    return credentials | addresses | places


def clean_environment(variables: dict[str, str]) -> dict[str, str]:
    """Without the variables of the user's shell that steer Prefect's and MLflow's servers and clients."""
    steering = [*steering_servers(os.environ), *(name for name in os.environ if name.startswith("PREFECT_"))]
    settings = SETTINGS | {"PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false"}
    return child_environment(settings | variables, without=steering)


def automations(lab: Lab, lab_dir: LabDir, credentials: dict[str, str]) -> list[str]:
    """Names of the automations that `bertft server notify` has made; none where Prefect does not answer."""
    url = client_environment(lab, lab_dir, credentials)["PREFECT_API_URL"]
    names = names_of(f"{url}/automations", basic_login(credentials[LOGIN]))
    return [name for name in names if name.startswith("bertft: ")]


def answers(service: str, lab: Lab, lab_dir: LabDir, credentials: dict[str, str]) -> Literal["ready", "refused", "away"]:
    """Whether a server answers and lets us in, from this machine."""
    variables = client_environment(lab, lab_dir, credentials)
    if service == PREFECT:
        return answer_of(f"{variables['PREFECT_API_URL']}/admin/version", basic_login(credentials[LOGIN]))
    url = f"{variables['MLFLOW_TRACKING_URI']}/api/2.0/mlflow/experiments/search?max_results=1"
    return answer_of(url, basic_login(f"{USER}:{credentials[PASSWORD]}"))
