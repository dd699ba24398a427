"""Weights: their hash, copies of them, and the folder a fine-tuned model is saved in."""

import hashlib
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bertft_core.config.head_settings import AnyHead
from bertft_core.data.tokenizer_names import TOKENIZER_FILES, TOKENIZER_SETTINGS
from bertft_core.heads.extra_parts import parts_on
from bertft_core.heads.regression import folded
from bertft_core.heads.saved_model import write_head
from bertft_core.strategies.lora import merged

WEIGHTS = "model.safetensors"


def weights_sha256(named: Iterable[tuple[str, Tensor]]) -> str:
    """SHA-256 over name, type, shape and bytes of each tensor, by name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(named, key=lambda item: item[0]):
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name}/{values.dtype}/{tuple(values.shape)}/".encode())
        digest.update(values.view(torch.uint8).numpy().data if values.ndim else values.numpy().tobytes())
    return digest.hexdigest()


def head_parameters(model: Any) -> list[tuple[str, Tensor]]:
    """The parameters outside the encoder."""
    prefix = model.base_model_prefix + "."
    return [(name, parameter) for name, parameter in model.named_parameters() if not name.startswith(prefix)]


def copy_of(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Name → values, copied to the CPU."""
    return {name: p.detach().to("cpu", copy=True) for name, p in parameters.items()}


@torch.no_grad()
def put_back(model: nn.Module, weights: dict[str, Tensor]) -> None:
    """Set the parameters that `copy_of` took."""
    named = dict(model.named_parameters())
    for name, values in weights.items():
        named[name].copy_(values)


def save_model(
    model: Any,
    head: AnyHead,
    encoder_dir: Path,
    target_dir: Path,
    beside: Callable[[Path, Mapping[str, Tensor]], None] = lambda folder, weights: None,
) -> None:
    """Save what plain `AutoModelFor…` opens, with the encoder's tokenizer and the configuration of the head.

    `beside` writes more to the folder, knowing its weights.
    """
    part = target_dir.with_name(f".{target_dir.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    parts = parts_on(model)
    beside_weights = tuple(f"{name}." for name in parts)
    own = {name: values for name, values in model.state_dict().items() if not name.startswith(beside_weights)}
    own = merged(model, own) | folded(model)
    model.save_pretrained(part, state_dict=dict(own))  # it removes weights that others share
    for extra in parts.values():
        extra.save(part)
    write_head(part, head)
    beside(part, own)
    for name in (*TOKENIZER_FILES, *TOKENIZER_SETTINGS):
        if (encoder_dir / name).exists():
            shutil.copyfile(encoder_dir / name, part / name)
    shutil.rmtree(target_dir, ignore_errors=True)
    part.rename(target_dir)
