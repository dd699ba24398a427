"""What a study was made with: commit, uncommitted changes, lock file, installed versions."""

import hashlib
import importlib.metadata
import subprocess
from pathlib import Path

from bertft_core.storage.study_dir import write_atomically, write_record
from bertft_core.training.environment import read_machine
from tasks.study_lease import user_name

SOURCE = "bertft"
ROOT = Path(__file__).resolve().parents[2]


def origin_tags() -> dict[str, str]:
    """What MLflow's pages show of a run as *Created by* and *Source*, and its lists as columns."""
    return {"mlflow.user": user_name(), "mlflow.source.name": SOURCE, "mlflow.source.type": "LOCAL"}


def provenance_tags() -> dict[str, str]:
    """Tags that say which code a study ran."""
    environment = read_machine()
    tags = {"bertft.host": environment.host, "bertft.python": environment.python, "bertft.cpu": environment.device}
    if environment.commit is not None:
        tags |= {"mlflow.source.git.commit": environment.commit, "bertft.dirty": str(environment.dirty).lower()}
    lock = ROOT / "requirements.lock"
    if lock.exists():
        tags["bertft.lock_sha256"] = hashlib.sha256(lock.read_bytes()).hexdigest()
    return tags


def provenance_files(directory: Path) -> list[Path]:
    """Write the environment, the installed packages, the lock file and the uncommitted changes to a folder; their paths.

    What an earlier execution wrote and this one has not, such as changes that are committed by now, is deleted.
    """
    environment = read_machine()
    packages = sorted(f"{d.metadata['Name']}=={d.version}" for d in importlib.metadata.distributions())
    texts: dict[str, bytes | None] = {
        "packages.txt": "\n".join(packages).encode() + b"\n",
        "requirements.lock": None,
        "uncommitted.diff": None,
    }
    lock = ROOT / "requirements.lock"
    if environment.commit is not None and lock.exists():
        texts["requirements.lock"] = lock.read_bytes()
    if environment.dirty:
        diff = subprocess.run(["git", "-C", str(ROOT), "diff", "HEAD"], capture_output=True, timeout=60)
        texts["uncommitted.diff"] = diff.stdout
    write_record(directory / "environment.json", environment)
    for name, content in texts.items():
        if content is None:
            (directory / name).unlink(missing_ok=True)
        else:
            write_atomically(directory / name, content)
    return [directory / "environment.json", *(directory / name for name, content in texts.items() if content is not None)]
