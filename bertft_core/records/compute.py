"""What a run is computed with, where that decides its last bits: part of its identity."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bertft_core.config.base import Frozen, left_out_if
from bertft_core.config.execution_settings import ExecutionConfig

DeviceKind = Literal["cpu", "cuda"]
Kernels = Literal["mkl", "onednn"]


class Compute(Frozen):
    """Decided before the runs are planned; what is absent is what the first version computed with, so its digests hold."""

    device: DeviceKind = Field("cpu", exclude_if=left_out_if("cpu"))
    kernels: Kernels = Field("mkl", exclude_if=left_out_if("mkl"))
    """Of fp32 matrix products on a CPU: torch's own choice, which is MKL in its x86 builds, or oneDNN."""

    @classmethod
    def asked_by(cls, execution: ExecutionConfig) -> Compute:
        """What settings ask for; `auto`, which a driver decides before it plans, is read as the first version's."""
        if execution.device == "cuda":
            return cls(device="cuda")
        return cls(kernels="onednn" if execution.kernels == "onednn" else "mkl")

    def settings(self) -> dict[str, str]:
        """The settings of `execution` that ask for this."""
        return {"device": self.device} | ({"kernels": self.kernels} if self.device == "cpu" else {})


FIRST = Compute()
"""What the first version computed with on a CPU."""
