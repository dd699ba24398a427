"""The adapters of a LoRA run in the format of peft, in `adapter/` below the saved model, which has them merged in.

`PeftModel.from_pretrained(AutoModelFor….from_pretrained(encoder), "model/adapter")` opens them over the encoder that the run
started from, as `merge_and_unload` would merge them. They have a folder of their own, because transformers takes a model with an
`adapter_config.json` beside its weights for nothing but an adapter.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from bertft_core.config.strategy_settings import AnyStrategy, Lora
from bertft_core.records import EncoderIdentity
from bertft_core.strategies.lora import PARTS, adapted

FOLDER, CONFIG, WEIGHTS = "adapter", "adapter_config.json", "adapter_model.safetensors"
TASK_TYPES = {
    "AutoModelForSequenceClassification": "SEQ_CLS",
    "AutoModelForTokenClassification": "TOKEN_CLS",
    "AutoModelForQuestionAnswering": "QUESTION_ANS",
}
"""Class of transformers → what peft calls its task; for others peft has no class of its own, and needs none."""


def lora_of(strategies: Iterable[AnyStrategy]) -> Lora | None:
    """The strategy that gives a run adapters."""
    return next((strategy for strategy in strategies if isinstance(strategy, Lora) and strategy.rank), None)


def write_adapter(
    directory: Path,
    model: Any,
    learning: Iterable[str],
    weights: Mapping[str, Tensor],
    config: Lora,
    encoder: EncoderIdentity,
    auto_class: str,
) -> None:
    """Write adapters, and the modules in which more learned, to a new folder: `learning` are names of parameters, `weights` all
    that are saved of the model.

    peft replaces such modules whole, so weights that they share with the encoder are in the file too. Extra parts of the head,
    such as a CRF, are not among them: they lie beside the model, and transformers has no place for them.
    """
    layers = dict(adapted(model))
    tensors = {f"{name}.{part}.weight": getattr(layer, part).detach() for name, layer in layers.items() for part in PARTS}
    modules = sorted({_module(name, model.base_model_prefix) for name in learning if name in weights})
    whole = {name: values for name, values in weights.items() if name.startswith(tuple(f"{module}." for module in modules))}
    settings = {
        "peft_type": "LORA",
        "task_type": TASK_TYPES.get(auto_class),
        "base_model_name_or_path": encoder.checkpoint,
        "revision": encoder.revision,
        "inference_mode": True,
        "r": config.rank,
        "lora_alpha": config.alpha,
        "lora_dropout": config.dropout,
        "init_lora_weights": "gaussian",
        "bias": "none",
        "fan_in_fan_out": False,
        "target_modules": list(layers),
        "modules_to_save": modules,
    }
    directory.mkdir()
    (directory / CONFIG).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    content = {f"base_model.model.{name}": values.contiguous().cpu().clone() for name, values in (tensors | whole).items()}
    save_file(content, directory / WEIGHTS, metadata={"format": "pt"})


def _module(name: str, encoder: str) -> str:
    """The module to be replaced for a weight: `classifier`, or `bert.pooler` inside the encoder."""
    parts = name.split(".")
    return ".".join(parts[: 2 if parts[0] == encoder else 1])
