"""What a lab is set up with: what the command line says, else what it had before, else a lab on this machine alone."""

import platform
from pathlib import Path

from bertft_core.config import UserError
from bertft_core.config.addresses import without_password
from flows.cli.lab.databases import lab_url
from flows.cli.lab.lab_dir import EVERYWHERE, Lab, LabDir


def lab_of(lab_dir: LabDir, chosen: dict[str, str | int | None]) -> Lab:
    """The lab with what was chosen now. Raises `UserError` for an address that holds a password, or names no server."""
    before = lab_dir.lab()
    given = {name: value for name, value in chosen.items() if value is not None}
    if "host" in given and "name" not in given:
        given["name"] = platform.node() if given["host"] in EVERYWHERE else given["host"]
    lab = Lab(**({} if before is None else before.model_dump()) | {"work_dir": str(Path.cwd())} | given)  # type: ignore[arg-type]
    lab_url(lab_dir.postgres_dir, lab.database)
    if lab.artifacts is not None and without_password(lab.artifacts) != lab.artifacts:
        raise UserError(
            "an address with a password can be read by everybody on this machine",
            code="server.password-in-artifacts",
            found=f"--artifacts {without_password(lab.artifacts)}",
            expected="an address without one",
            hint="S3 keys go into ~/.aws/credentials, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        )
    if lab.artifacts is not None and "://" not in lab.artifacts:
        return lab.model_copy(update={"artifacts": str(Path(lab.artifacts).resolve())})
    return lab
