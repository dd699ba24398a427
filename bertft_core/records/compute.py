"""What a run is computed with, where that decides its last bits: part of its identity."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bertft_core.config.base import Frozen, left_out_if
from bertft_core.config.execution_settings import ExecutionConfig

DeviceKind = Literal["cpu", "cuda"]
Kernels = Literal["mkl", "onednn"]
ComputePath = Literal["reference", "fast"]
Masks = Literal[1, 2]
Way = tuple[ComputePath, Masks]


class Compute(Frozen):
    """Decided before the runs are planned; what is absent is what the first version computed with, so its digests hold."""

    device: DeviceKind = Field("cpu", exclude_if=left_out_if("cpu"))
    kernels: Kernels = Field("mkl", exclude_if=left_out_if("mkl"))
    """Of fp32 matrix products on a CPU: torch's own choice, which is MKL in its x86 builds, or oneDNN."""
    path: ComputePath = Field("reference", exclude_if=left_out_if("reference"))
    """Of the encoder's layers: transformers' own modules, or forward and backward by hand."""
    masks: Masks = Field(1, exclude_if=left_out_if(1))
    """Of dropout in the encoder: 1 is torch's, 2 has 16 bits for each number and is the same on both paths."""

    @classmethod
    def asked_by(cls, execution: ExecutionConfig, by_hand: bool) -> Compute:
        """What settings ask for; `auto`, which a driver decides before it plans, is read as the first version's.

        `by_hand`: the encoder is of a family whose layers can be computed by hand; all others have one way.
        """
        if execution.device == "cuda":
            return cls(device="cuda")
        path, masks = WAYS.get(execution.compute, FIRST_WAY) if by_hand else FIRST_WAY
        return cls(kernels="onednn" if execution.kernels == "onednn" else "mkl", path=path, masks=masks)

    def settings(self) -> dict[str, str]:
        """The settings of `execution` that ask for this."""
        if self.device == "cuda":
            return {"device": "cuda"}
        way = next(name for name, way in WAYS.items() if way == (self.path, self.masks))
        return {"device": "cpu", "kernels": self.kernels, "compute": way}


FIRST_WAY: Way = ("reference", 1)
WAYS: dict[str, Way] = {"original": FIRST_WAY, "reference": ("reference", 2), "fast": ("fast", 2)}
"""`execution.compute` → path and masks."""
FIRST = Compute()
"""What the first version computed with on a CPU."""
