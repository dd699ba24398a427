"""The logins of a lab's servers: made once, and kept in one file that only its owner can read.

The file is what clients need: `. credentials.env` in a shell lets Prefect and MLflow find the lab and log in. A lab's own
PostgreSQL has no password: its socket takes connections of one user of this machine only.
"""

import os
import secrets
import shlex
from pathlib import Path

from bertft_core.config import UserError
from flows.cli.lab.lab_dir import Lab

USER = "bertft"
LOGIN, PASSWORD = "PREFECT_API_AUTH_STRING", "MLFLOW_TRACKING_PASSWORD"
N_BYTES = 24


def credentials_of(lab: Lab, path: Path) -> dict[str, str]:
    """The variables of a client of this lab; passwords are made where there are none, and stay as they are from then on.

    Raises `UserError` for a file that others can read, or without passwords.
    """
    known = read_credentials(path) if path.exists() else {}
    variables = {
        "PREFECT_API_URL": f"{lab.prefect_url}/api",
        LOGIN: known.get(LOGIN) or f"{USER}:{secrets.token_urlsafe(N_BYTES)}",
        "MLFLOW_TRACKING_URI": lab.mlflow_url,
        "MLFLOW_TRACKING_USERNAME": USER,
        PASSWORD: known.get(PASSWORD) or secrets.token_urlsafe(N_BYTES),
    }
    if variables != known:
        _write(path, "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()))
    return variables


def read_credentials(path: Path) -> dict[str, str]:
    """The variables in the file. Raises `UserError` for one that others can read, or without passwords."""
    if path.stat().st_mode & 0o077:
        raise UserError(
            "others can read the credentials of the lab",
            code="server.exposed-credentials",
            path=path,
            found=f"mode {path.stat().st_mode & 0o777:o}",
            expected="mode 600",
            hint=f"chmod 600 {path}; docs/guides/lab-server.md says how to change passwords that others have read",
        )
    words = shlex.split(path.read_text(encoding="utf-8"), comments=True)
    variables = dict(word.split("=", 1) for word in words if "=" in word)
    if not variables.get(LOGIN) or not variables.get(PASSWORD):
        raise UserError(
            "the credentials of the lab are incomplete",
            code="server.incomplete-credentials",
            path=path,
            found=f"no {LOGIN if not variables.get(LOGIN) else PASSWORD}",
            expected=f"lines such as export {PASSWORD}=…",
            hint="put the line back",
        )
    return variables


def _write(path: Path, text: str) -> None:
    """Nobody else can read it at any moment, and a kill leaves the old file or the new one."""
    making = path.with_suffix(".making")
    making.unlink(missing_ok=True)
    with os.fdopen(os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    making.replace(path)
