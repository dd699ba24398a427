"""What a run was computed with, in words."""

from bertft_core.records import Environment
from bertft_core.records.compute import ComputePath
from bertft_core.report.prose import grammar

KERNELS = {"mkl": "MKL", "onednn": "oneDNN"}

LAYERS: dict[ComputePath, str] = {"fast": "fast layers", "reference": "layers of transformers"}


def machine(environment: Environment) -> str:
    """'AMD EPYC, 1 thread per run, matrix products by oneDNN'."""
    return f"{environment.device}, {details(environment)}"


def details(environment: Environment) -> str:
    """'1 thread per run, matrix products by oneDNN, fast layers'; older records do not know by what."""
    return ", ".join(
        [
            f"{grammar.several(environment.threads, 'thread')} per run",
            *([] if environment.kernels is None else [f"matrix products by {KERNELS[environment.kernels]}"]),
            *([] if environment.compute is None else [LAYERS[environment.compute]]),
        ]
    )
