"""Which slots a machine has, and the environment each worker needs before torch loads."""

import os
import shutil
import subprocess

from bertft_core.config import UserError
from bertft_core.config.execution_settings import ExecutionConfig


def slot_environments(execution: ExecutionConfig) -> list[dict[str, str]]:
    """One environment per slot: a GPU each, or a share of the CPU cores. Before training call `refuse_absent_gpu` too."""
    gpus = [] if execution.device == "cpu" else visible_gpus()
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


def refuse_absent_gpu(execution: ExecutionConfig) -> None:
    """Raise `UserError` when CUDA is asked for and not available here, once, before anything is prepared."""
    if (found := absent_gpu(execution)) is not None:
        raise UserError(
            "this study needs a GPU and none is available here",
            code="machine.no-gpu",
            found=found,
            expected="execution.device: cuda on a machine with an NVIDIA GPU and a torch built for it",
            hint="use --set execution.device=auto (or cpu), or install a CUDA build of torch",
        )


def absent_gpu(execution: ExecutionConfig) -> str | None:
    """Why a study with `device: cuda` cannot train here; None when it can, or has another device."""
    if execution.device != "cuda":
        return None
    if not visible_gpus():
        chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
        return "no device listed by nvidia-smi" if chosen is None else f"no device in CUDA_VISIBLE_DEVICES={chosen!r}"
    import torch  # slow, and needed here only

    if torch.cuda.is_available():
        return None
    if torch.version.cuda is None:
        return f"torch {torch.__version__}, built without CUDA"
    return f"torch {torch.__version__} for CUDA {torch.version.cuda}, which cannot use any GPU of this machine"


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
