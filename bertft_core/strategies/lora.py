"""LoRA: beside the frozen weight matrices of the encoder, small matrices of low rank learn, and with them the head.

Source:   Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models": W + (alpha / rank) · B · A, B = 0 at the start.
Touches:  the chosen linear layers in the layers of the encoder; requires_grad of everything else in the encoder.
Neutral:  rank = 0: no adapters, and every parameter learns.
Order:    applied before freezing and gradual_unfreezing, which choose among the adapters.
Limits:   A is N(0, 1 / rank), as peft's `gaussian`, from the init stream, each layer's from a generator of its own, so the head
          is the same as without this strategy. At step 0 the model is the base model bit for bit. Dropout on the adapters'
          inputs is drawn from the dropout stream. A pooler that the checkpoint lacks learns as the head does: it would stay
          random. Evaluation and the saved model have the merged weights, so they agree. Weight decay applies to A and B. It
          wants a learning rate about ten times that of full fine-tuning.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from bertft_core.config.strategy_settings import Lora
from bertft_core.seeds import derive_seed
from bertft_core.strategies.architecture import Architecture
from bertft_core.strategies.plan import FinetuningPlan

PARTS = ("lora_A", "lora_B")
"""Names of the parameters on an adapted layer."""
ENDINGS = tuple(f".{part}" for part in PARTS)


def apply(plan: FinetuningPlan, config: Lora) -> None:
    """Add adapters and freeze the rest of the encoder."""
    if config.rank == 0:
        return
    for name, layer in targets(plan.architecture, config).items():
        generator = torch.Generator().manual_seed(derive_seed(plan.context.init_seed, "lora", name))
        _adapt(layer, config, generator)
    plan.freeze_encoder(but=lambda name: name.endswith(ENDINGS))


def targets(architecture: Architecture, config: Lora) -> dict[str, nn.Linear]:
    """Name in the model → every linear layer that gets an adapter, from the bottom."""
    chosen = None if config.targets == "all_linear" else getattr(architecture.parts, config.targets)
    layers = {id(layer) for layer in architecture.layers}
    return {
        f"{place}.{name}": module
        for place, layer in architecture.model.named_modules()
        if id(layer) in layers
        for name, module in layer.named_modules()
        if isinstance(module, nn.Linear) and (chosen is None or any(f"{name}.".startswith(f"{part}.") for part in chosen))
    }


def _adapt(layer: nn.Linear, config: Lora, generator: torch.Generator) -> None:
    """Parameters A [rank, inputs] and B [outputs, rank] on the layer itself, so that all other names stay as they are."""
    first = torch.normal(0.0, 1.0 / config.rank, (config.rank, layer.in_features), generator=generator)
    layer.lora_A = nn.Parameter(first.to(layer.weight.device))
    layer.lora_B = nn.Parameter(layer.weight.new_zeros(layer.out_features, config.rank))
    layer.lora_scale = config.alpha / config.rank  # type: ignore[assignment]
    layer.forward = _adapted_forward(layer, config.dropout)  # type: ignore[method-assign]


def _adapted_forward(layer: Any, dropout: float) -> Callable[..., Any]:
    def forward(inputs: Tensor) -> Tensor:
        if not layer.training:
            return nn.functional.linear(inputs, merged_weight(layer), layer.bias)
        read = nn.functional.dropout(inputs, dropout) if dropout else inputs
        change = nn.functional.linear(nn.functional.linear(read, layer.lora_A), layer.lora_B)
        return nn.functional.linear(inputs, layer.weight, layer.bias) + layer.lora_scale * change

    return forward


def merged_weight(layer: Any) -> Tensor:
    """W + (alpha / rank) · B · A, in the type of W also under autocast."""
    with torch.autocast(layer.weight.device.type, enabled=False):
        return layer.weight + layer.lora_scale * (layer.lora_B @ layer.lora_A)  # type: ignore[no-any-return]


def adapted(model: nn.Module) -> Iterator[tuple[str, Any]]:
    """Name and module of every layer with an adapter."""
    return ((name, module) for name, module in model.named_modules() if hasattr(module, PARTS[0]))


@torch.no_grad()
def merged(model: nn.Module, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights by name as plain transformers knows them: adapters are added to the matrices beside them."""
    plain = {name: values for name, values in weights.items() if not name.endswith(ENDINGS)}
    return plain | {f"{name}.weight": merged_weight(layer) for name, layer in adapted(model)}
