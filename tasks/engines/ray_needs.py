"""What runs need of a Ray cluster: shares of its CPUs and GPUs. Needs no Ray."""

from bertft_core.config.execution_settings import ExecutionConfig
from bertft_core.training.devices import runs_per_gpu


def gpus_per_run(execution: ExecutionConfig) -> float:
    """The share of a GPU that a run takes; none on a CPU."""
    if execution.device != "cuda":
        return 0.0
    return 1.0 / runs_per_gpu(execution) if execution.gpus_per_run is None else execution.gpus_per_run


def places(needs: dict[str, float], resources: dict[str, float]) -> int:
    """How many slots with these needs the cluster has room for, all its nodes taken together."""
    by_gpus = resources.get("GPU", 0.0) / needs["num_gpus"] if needs["num_gpus"] else float("inf")
    return int(min(resources.get("CPU", 0.0) / needs["num_cpus"], by_gpus) + 1e-9)
