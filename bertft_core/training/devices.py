"""Which slots a machine has, and the environment each worker needs before torch loads."""

from __future__ import annotations

import os
import shutil
import subprocess

from bertft_core.config import UserError
from bertft_core.config.execution import ExecutionConfig


def slot_environments(execution: ExecutionConfig) -> list[dict[str, str]]:
    """One environment per slot: a GPU each, or a share of the CPU's cores.

    Raises `UserError` when CUDA is asked for and there is no GPU.
    """
    gpus = [] if execution.device == "cpu" else visible_gpus()
    if execution.device == "cuda" and not gpus:
        raise UserError(
            "this study asks for a GPU and there is none",
            found="no device listed by nvidia-smi",
            expected="execution.device: cuda on a machine with an NVIDIA GPU",
            todo="use --set execution.device=auto",
        )
    threads = str(execution.threads_per_run)
    common = {
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "TOKENIZERS_PARALLELISM": "false",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "HF_HUB_OFFLINE": "1",  # a run reads prepared folders only
        "TRANSFORMERS_VERBOSITY": "error",
        "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    if gpus:
        n = len(gpus) if execution.slots == "auto" else execution.slots
        return [common | {"CUDA_VISIBLE_DEVICES": gpus[i % len(gpus)]} for i in range(n)]
    n = max(1, usable_cores() // execution.threads_per_run) if execution.slots == "auto" else execution.slots
    return [common | {"CUDA_VISIBLE_DEVICES": ""} for _ in range(n)]


def usable_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def visible_gpus() -> list[str]:
    """Ids for CUDA_VISIBLE_DEVICES, without loading torch; respects the variable when it is set."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [gpu for gpu in map(str.strip, chosen.split(",")) if gpu and gpu != "-1"]
    if shutil.which("nvidia-smi") is None:
        return []
    listed = subprocess.run(["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"], capture_output=True, text=True)
    return listed.stdout.split() if listed.returncode == 0 else []
