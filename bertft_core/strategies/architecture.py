"""Where the layers of an encoder are, by the table of `config.encoder_families`."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import nn

from bertft_core.config import UserError
from bertft_core.config.encoder_families import FAMILIES, Parts


@dataclass(frozen=True)
class Architecture:
    """A model of a known family: encoder with L layers, and a head."""

    model: Any

    @property
    def encoder(self) -> nn.Module:
        """The pre-trained part."""
        return self.model.base_model  # type: ignore[no-any-return]

    @property
    def is_known(self) -> bool:
        """Whether the family is in the table."""
        return self.model.config.model_type in FAMILIES

    @cached_property
    def parts(self) -> Parts:
        """The names of this model's parts. Raises `UserError` for a family that is not in the table."""
        kind = self.model.config.model_type
        if not self.is_known:
            raise UserError(
                f"the layers of encoders of the type '{kind}' are unknown",
                code="encoder.unknown-layers",
                found=kind,
                expected=f"one of {', '.join(FAMILIES)}",
                hint="remove strategies and probes that use single layers",
            )
        return FAMILIES[kind]

    @property
    def layers(self) -> list[nn.Module]:
        """The L layers, from the bottom."""
        return list(self.encoder.get_submodule(self.parts.layers))  # type: ignore[call-overload]

    @property
    def n_layers(self) -> int:
        """L."""
        return len(self.layers)

    @property
    def pooler(self) -> nn.Module | None:
        """The encoder's own pooling layer, where this model has one."""
        return None if self.parts.pooler is None else getattr(self.encoder, self.parts.pooler, None)

    def depths(self) -> dict[str, int]:
        """Parameter name → depth: 0 embeddings, 1 … L the layers from the bottom, L + 1 pooler and head."""
        prefix = self.model.base_model_prefix + "."
        return {
            name: self._depth(name.removeprefix(prefix), name.startswith(prefix)) for name, _ in self.model.named_parameters()
        }

    def _depth(self, name: str, in_encoder: bool) -> int:
        layers = self.parts.layers + "."
        if in_encoder and name.startswith(layers):
            return int(name.removeprefix(layers).split(".")[0]) + 1
        bottom = in_encoder and any(name.startswith(part + ".") for part in self.parts.bottom)
        return 0 if bottom else self.n_layers + 1

    def depth_names(self) -> list[str]:
        """Names of the depths 0 … L + 1."""
        return ["embeddings", *(f"{self.parts.unit} {i}" for i in range(self.n_layers)), "head"]
