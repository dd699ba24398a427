"""Parts of a head for which transformers has no place: modules on its model, stored in files of their own beside the weights.

They are parameters of the model like all others: drawn from the init stream behind the layers that transformers knows, which are
thus the same with and without them, trained with the head, and in every checkpoint.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from bertft_core.config import UserError
from bertft_core.config.head_settings import EXTRA_PARTS, part_file


class ExtraPart(nn.Module):
    """A part that is the attribute `name` of a model, and lies in `part_file(name)` in its folder."""

    name: ClassVar[str]
    """One of `config.head_settings.EXTRA_PARTS`."""
    title: ClassVar[str]
    """What a message calls it."""
    is_decayed: ClassVar[bool] = True
    """Whether weight decay applies to the parameters of this module itself."""

    @classmethod
    def like(cls, tensors: Mapping[str, Tensor]) -> Self:
        """A part of any values that can take these tensors. Raises `KeyError` or `ValueError` where none can."""
        raise NotImplementedError

    def description(self) -> dict[str, str] | None:
        """What the header of its file says beside names and shapes."""
        return None

    def save(self, folder: str | Path) -> None:
        """Write its state to its file in the folder."""
        save_file(self.state_dict(), Path(folder) / part_file(self.name), metadata=self.description())

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """The one saved in the folder, on the CPU; draws no random number. `UserError` where there is none or it is broken."""
        path, (key, value) = Path(folder) / part_file(cls.name), EXTRA_PARTS[cls.name]
        try:
            tensors = load_file(path)
            with torch.random.fork_rng(devices=[]):
                part = cls.like(tensors)
            part.load_state_dict(tensors)
        except FileNotFoundError as error:
            raise UserError(
                f"no {cls.title} beside this checkpoint",
                code="model.no-head-part",
                path=path,
                hint=f"train with head.{key}: {str(value).lower()}, or open it without",
            ) from error
        except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
            raise UserError(
                f"the {cls.title} is damaged, or was not saved by bertft",
                code="model.damaged-head-part",
                path=path,
                found=str(error).splitlines()[0],
                hint="train the study again with: bertft run CONFIG --force",
            ) from error
        return part


def parts_on(model: Any) -> dict[str, ExtraPart]:
    """Name → every such part of a model."""
    return {name: module for name, module in model.named_children() if isinstance(module, ExtraPart)}
