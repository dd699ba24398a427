"""Which slots a machine has, and the environment each worker needs before torch loads."""

import os
import subprocess
from contextlib import suppress
from pathlib import Path

from bertft_core.config.execution_settings import ExecutionConfig
from bertft_core.training.allocator import allocator_environment

WORKER_BYTES = 400 * 2**20
"""What an idle worker takes: Python, torch and transformers (measured: 410 MiB on Linux, CPU build)."""
NVIDIA_SMI_SECONDS = 20.0
CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def slot_environments(execution: ExecutionConfig) -> list[dict[str, str]]:
    """One environment per slot: a GPU each, or a share of the CPU cores. Before training call `refuse_unfit` too."""
    gpus = usable_gpus(execution)
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
    } | allocator_environment()
    if gpus:
        n = len(gpus) * runs_per_gpu(execution) if execution.slots == "auto" else execution.slots
        return [common | {"CUDA_VISIBLE_DEVICES": gpus[i % len(gpus)]} for i in range(n)]
    by_cores, by_memory = usable_cores() // execution.threads_per_run, memory_bytes() // WORKER_BYTES
    n = max(1, min(by_cores, by_memory)) if execution.slots == "auto" else execution.slots
    return [common | {"CUDA_VISIBLE_DEVICES": ""} for _ in range(n)]


def runs_per_gpu(execution: ExecutionConfig) -> int:
    """Before any is tried."""
    return 1 if execution.runs_per_device == "auto" else execution.runs_per_device


def usable_gpus(execution: ExecutionConfig) -> list[str]:
    """The visible GPUs that the study may take and torch can use, as ids for CUDA_VISIBLE_DEVICES."""
    if execution.device == "cpu" or not (gpus := visible_gpus()):
        return []
    import torch  # slow, and needed only where there are GPUs

    return gpus[: torch.cuda.device_count()] if torch.cuda.is_available() else []


def why_no_gpu() -> str:
    """Why no GPU can be used here: none is visible, or torch cannot use it."""
    if not visible_gpus():
        chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
        return "no device listed by nvidia-smi" if chosen is None else f"no device in CUDA_VISIBLE_DEVICES={chosen!r}"
    import torch

    if torch.version.cuda is None:
        return f"torch {torch.__version__}, built without CUDA"
    return f"torch {torch.__version__} for CUDA {torch.version.cuda}, which cannot use any GPU of this machine"


def usable_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_bytes() -> int:
    """The machine's memory, or what a container of it may use."""
    limits = [int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))]
    for path in map(Path, CGROUP_LIMITS):
        with suppress(OSError, ValueError):  # another version of cgroups, or "max"
            limits.append(int(path.read_text()))
    return min(limits)


def visible_gpus() -> list[str]:
    """Ids for CUDA_VISIBLE_DEVICES, without loading torch; respects the variable when it is set."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [gpu for gpu in map(str.strip, chosen.split(",")) if gpu and gpu != "-1"]
    query = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    try:
        listed = subprocess.run(query, capture_output=True, text=True, timeout=NVIDIA_SMI_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return listed.stdout.split() if listed.returncode == 0 else []
