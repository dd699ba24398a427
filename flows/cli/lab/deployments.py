"""The work pool, deployments and automations of a lab, by Prefect's own commands and the files that are installed with bertft."""

import subprocess
import sys
from pathlib import Path

from bertft_core.config import UserError
from flows.cli.lab.lab_dir import Lab, LabDir
from flows.cli.lab.services import POOL, clean_environment, client_environment

DEPLOYMENTS = Path(__file__).with_name("prefect.yaml")
"""A link to the one of the repository."""
TIMEOUT_SECONDS = 300.0
CREATE = ("prefect", "work-pool", "create", POOL, "--type", "process")
DEPLOY = ("prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(DEPLOYMENTS))
NOTIFY = ("flows.cli.notify_command",)
ALREADY_THERE = "already exists"


def deploy(lab: Lab, lab_dir: LabDir, credentials: dict[str, str]) -> None:
    """Make the pool unless it is there, and renew deployments and automations. Raises `UserError` with what Prefect says."""
    environment = clean_environment(client_environment(lab, lab_dir, credentials))
    for words in (CREATE, DEPLOY, NOTIFY):
        try:
            ended = subprocess.run(
                [sys.executable, "-m", *words],
                env=environment,
                cwd=lab.work_dir,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=TIMEOUT_SECONDS,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _failed(words, str(error)) from None
        said = f"{ended.stdout}\n{ended.stderr}"
        if ended.returncode and not (words == CREATE and ALREADY_THERE in said):
            raise _failed(words, "\n".join(said.strip().splitlines()[-8:]))


def _failed(words: tuple[str, ...], found: str) -> UserError:
    return UserError(
        "the deployments of the lab cannot be made",
        code="server.deployments",
        found=f"{' '.join(words)}:\n{found}",
        hint="fix what Prefect says; bertft server up starts from here",
    )
