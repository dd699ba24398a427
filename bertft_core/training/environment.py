"""Where a run is executed: versions, hardware and the commit of the code."""

import functools
import importlib.metadata
import os
import platform
import socket
import subprocess
from pathlib import Path

from bertft_core.records import Environment
from bertft_core.storage.study_dir import file_sha256

VARIABLES = (
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_VISIBLE_DEVICES",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_CORETYPE",
    "OPENBLAS_NUM_THREADS",
    "ATEN_CPU_CAPABILITY",
    "DNNL_DEFAULT_FPMATH_MODE",
    "DNNL_MAX_CPU_ISA",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_CBWR",
    "NVIDIA_TF32_OVERRIDE",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "ONEDNN_MAX_CPU_ISA",
    "PYTHONHASHSEED",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
)
"""Variables that can change numbers. No others are recorded, so no secrets are."""
LOCK = Path(__file__).resolve().parents[2] / "requirements.lock"
PACKAGES = ("bertft", "torch", "transformers", "tokenizers", "safetensors", "numpy", "pyarrow", "optuna", "mlflow", "prefect")


def read_environment(device: str, threads: int) -> Environment:
    """The environment of this process, which trains; `device` is 'cpu' or a name torch gives a GPU."""
    import torch  # slow

    from bertft_core.training.kernels import current_kernels

    flags = {
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "matmul_tf32": torch.backends.cuda.matmul.allow_tf32,
        "cudnn_tf32": torch.backends.cudnn.allow_tf32,
    }
    if device != "cpu":
        flags |= {
            "flash_attention": torch.backends.cuda.flash_sdp_enabled(),
            "cudnn_attention": torch.backends.cuda.cudnn_sdp_enabled(),
            "efficient_attention": torch.backends.cuda.mem_efficient_sdp_enabled(),
            "math_attention": torch.backends.cuda.math_sdp_enabled(),
        }
    capability = torch.backends.cpu.get_cpu_capability()
    kernels = current_kernels() if device == "cpu" else None
    found = {"cpu_capability": capability, "flags": flags, "kernels": kernels}
    return read_machine(device, threads).model_copy(update=found)


def read_machine(device: str = "cpu", threads: int = 1) -> Environment:
    """The environment but what only torch knows, which it does not import.

    For the driver of a study: its settings of torch are not those of any run.
    """
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
        lock_sha256=file_sha256(LOCK) if commit is not None and LOCK.exists() else None,
        gpu_driver=None if device == "cpu" else _gpu_driver(),
        variables={name: os.environ[name] for name in VARIABLES if name in os.environ},
    )


@functools.cache
def _gpu_driver() -> str | None:
    """The version of the NVIDIA driver, from nvidia-smi."""
    try:
        words = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.split("\n")[0].strip() or None if done.returncode == 0 else None


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


@functools.cache
def cpu_name() -> str:
    """The name of the processor on Linux, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


@functools.cache
def _commit() -> tuple[str | None, bool | None]:
    """Commit of the checkout that bertft runs from, and whether tracked files differ; (None, None) outside a checkout."""
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
