"""Whether the servers that a command is to use answer and take its credentials, asked before anything starts.

Prefect's `/health` and MLflow's `/health` answer without credentials, so they are not what is asked for.
"""

import base64
import json
import os
import ssl
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Literal

from bertft_core.config import UserError
from bertft_core.config.addresses import without_password
from tasks.tracking.store_login import REFUSED, refuses_login, was_refused

ANSWER_SECONDS = 20.0


def expect_prefect(api_url: str) -> None:
    """Raise `UserError` for a Prefect server that does not answer, or refuses the credentials of Prefect's client."""
    try:
        if _refuses(f"{api_url.rstrip('/')}/admin/version", _prefect_login()) and _refuses_prefect_client():
            raise wrong_prefect_credentials(api_url)
    except (OSError, ValueError, HTTPException) as error:  # the last two are of what is no address, or no HTTP server
        if isinstance(getattr(error, "reason", None), ssl.SSLError):
            return  # Prefect has settings of its own for certificates
        raise UserError(
            "Prefect's server does not answer",
            code="prefect.server-does-not-answer",
            found=f"PREFECT_API_URL={without_password(api_url)}: {_why(error)}",
            expected="a running server",
            hint="start it, or unset PREFECT_API_URL: then the command starts one of its own",
        ) from None


def wrong_prefect_credentials(api_url: str) -> UserError:
    """What to say of a server that refuses the client."""
    given = [name for name in ("PREFECT_API_AUTH_STRING", "PREFECT_API_KEY") if os.environ.get(name)]
    return UserError(
        "Prefect's server refuses the credentials",
        code="prefect.wrong-credentials",
        found=f"PREFECT_API_URL={without_password(api_url)}, {'wrong ' + ' and '.join(given) if given else 'no credentials'}",
        expected="those that the server was started with",
        hint="set PREFECT_API_AUTH_STRING to USER:PASSWORD of the server; a lab's are in HOME/server/credentials.env",
    )


def expect_mlflow_login(uri: str | None) -> None:
    """Raise `UserError` for an MLflow server that refuses the credentials; one that is away is left to the study."""
    if uri is None or not uri.startswith(("http://", "https://")):
        return
    try:
        refused = _refuses(f"{uri.rstrip('/')}/api/2.0/mlflow/experiments/search?max_results=1", _mlflow_login())
    except (OSError, ValueError, HTTPException):
        return
    if refused and refuses_login(uri):
        given = [name for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_TOKEN") if os.environ.get(name)]
        raise UserError(
            "MLflow's server refuses the credentials",
            code="mlflow.wrong-credentials",
            found=f"{without_password(uri)}, {'wrong ' + ' and '.join(given) if given else 'no credentials'}",
            expected="a user of that server and the password",
            hint="set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD; a lab's are in HOME/server/credentials.env",
        )


def _refuses(url: str, login: dict[str, str]) -> bool:
    """The server answers, and that it does not let us in. Raises `OSError` where there is none."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=login), timeout=ANSWER_SECONDS):
            return False
    except urllib.error.HTTPError as error:
        return error.code in REFUSED  # a server is there; the clients report its other errors better


def answer_of(url: str, login: dict[str, str]) -> Literal["ready", "refused", "away"]:
    """What a server that should be there says to a request."""
    try:
        return "refused" if _refuses(url, login) else "ready"
    except (OSError, HTTPException):
        return "away"


def names_of(url: str, login: dict[str, str]) -> list[str]:
    """Names of what Prefect's API has, such as `…/api/automations`; none where it does not answer."""
    headers = login | {"Content-Type": "application/json"}
    try:
        request = urllib.request.Request(f"{url}/filter", data=b"{}", headers=headers)
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
            return [str(each["name"]) for each in json.load(answer)]
    except (OSError, HTTPException, ValueError):
        return []


def _prefect_login() -> dict[str, str]:
    if login := os.environ.get("PREFECT_API_AUTH_STRING"):
        return basic_login(login)
    key = os.environ.get("PREFECT_API_KEY")
    return {"Authorization": f"Bearer {key}"} if key else {}


def _mlflow_login() -> dict[str, str]:
    names = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
    user, password = (os.environ.get(name, "") for name in names)
    return basic_login(f"{user}:{password}") if user else {}


def basic_login(login: str) -> dict[str, str]:
    """The header of HTTP basic authentication for `USER:PASSWORD`."""
    return {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}


def _refuses_prefect_client() -> bool:
    """Prefect's own client is refused too: it has settings in profiles, custom headers and more."""
    from prefect.client.orchestration import get_client

    try:
        with get_client(sync_client=True) as client:
            client.api_version()
    except Exception as error:  # others are met, and reported, when the study uses the client
        return was_refused(error)
    return False


def _why(error: Exception) -> str:
    """Without the number of the error."""
    reason = getattr(error, "reason", error)
    return getattr(reason, "strerror", None) or without_password(str(reason)) or type(error).__name__
