"""What a run was computed with, in words."""

from bertft_core.records import Environment
from bertft_core.report.prose import grammar

KERNELS = {"mkl": "MKL", "onednn": "oneDNN"}


def machine(environment: Environment) -> str:
    """'AMD EPYC, 1 thread per run, matrix products by oneDNN'."""
    return f"{environment.device}, {details(environment)}"


def details(environment: Environment) -> str:
    """'1 thread per run, matrix products by oneDNN'; older records do not know by what."""
    threads = f"{grammar.several(environment.threads, 'thread')} per run"
    return threads if environment.kernels is None else f"{threads}, matrix products by {KERNELS[environment.kernels]}"
