"""Which weights of a checkpoint a model starts from: those of the encoder alone, so that its head is drawn from the init stream.

A checkpoint that was fine-tuned before has a head of its own. With it every seed would start from the same head; one with another
number of labels would not even load.
"""

from collections.abc import Iterable
from contextlib import ExitStack
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers import PretrainedConfig, PreTrainedModel

from bertft_core.storage.weight_files import read_headers, weight_files


def with_new_head(auto_class: Any, config: PretrainedConfig, encoder_dir: str, **how: Any) -> PreTrainedModel:
    """The model of `auto_class` with the checkpoint's encoder; its own head is not read. `how` goes to transformers."""
    files = weight_files(Path(encoder_dir))
    names = read_headers(files)
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        shell = auto_class.from_config(deepcopy(config))
    kept = of_encoder(shell, names)
    if len(kept) == len(names):
        return auto_class.from_pretrained(encoder_dir, config=config, **how)  # type: ignore[no-any-return]
    with ExitStack() as stack:
        opened = [stack.enter_context(safe_open(path, framework="pt")) for path in files]
        weights = {name: file.get_slice(name) for file in opened for name in file.keys() if name in kept}  # noqa: SIM118
        return type(shell).from_pretrained(None, config=config, state_dict=weights, **how)  # type: ignore[no-any-return]


def of_encoder(model: PreTrainedModel, names: Iterable[str]) -> set[str]:
    """Those names of a file that no head of the model can take; a file of an encoder alone has no prefix before its names."""
    prefix = f"{model.base_model_prefix}."
    if any(name.startswith(prefix) for name in names):
        return {name for name in names if name.startswith(prefix)}
    encoder = {name for name, _ in model.base_model.named_children()}
    heads = {name.partition(".")[0] for name in model.state_dict() if not name.startswith(prefix)} - encoder
    return {name for name in names if name.partition(".")[0] not in heads}
