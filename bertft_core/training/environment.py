"""Where a run is carried out: versions, hardware and the code's commit."""

from __future__ import annotations

import functools
import importlib.metadata
import platform
import socket
import subprocess
from pathlib import Path

from bertft_core.records import Environment

PACKAGES = ("bertft", "torch", "transformers", "tokenizers", "safetensors", "numpy", "pyarrow", "optuna", "mlflow", "prefect")


def read_environment(device: str, threads: int) -> Environment:
    """The environment of this process; `device` is 'cpu' or a name torch gives a GPU."""
    commit, dirty = _commit()
    return Environment(
        python=platform.python_version(),
        platform=platform.platform(),
        device=cpu_name() if device == "cpu" else device,
        threads=threads,
        packages={name: version for name in PACKAGES if (version := _version(name)) is not None},
        commit=commit,
        dirty=dirty,
        host=socket.gethostname(),
    )


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


@functools.cache
def cpu_name() -> str:
    """The processor's name as Linux tells it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


@functools.cache
def _commit() -> tuple[str | None, bool | None]:
    """Commit of the checkout bertft runs from, and whether tracked files differ; (None, None) when it is no checkout."""
    here = Path(__file__).resolve().parent

    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(here), *words], capture_output=True, text=True, timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    if git("ls-files", "--error-unmatch", __file__) is None:  # installed inside somebody else's repository
        return None, None
    changed = git("status", "--porcelain", "--untracked-files=no")
    return git("rev-parse", "HEAD"), None if changed is None else bool(changed)
