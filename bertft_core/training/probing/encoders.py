"""The two encoders that the probes compare: the one a run started from and the one it ended with."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModel, AutoModelForMaskedLM

from bertft_core.heads.saved_model import load_model


class Absent(Exception):
    """This probe cannot be computed for this run; the text is the reason."""


PLAIN: dict[str, Any] = {
    "dtype": torch.float32,
    "use_safetensors": True,
    "trust_remote_code": False,
    "local_files_only": True,
}


def open_pretrained(encoder_dir: str, device: torch.device) -> Any:
    """The encoder that runs start from, in evaluation mode."""
    with torch.random.fork_rng():  # a pooler that the checkpoint lacks is drawn at random
        return AutoModel.from_pretrained(encoder_dir, **PLAIN).to(device).eval()


def open_finetuned(model_dir: Path, device: torch.device) -> Any:
    """The encoder under the head of a saved run: the weights of its best step."""
    return load_model(model_dir).model.base_model.float().to(device).eval()  # type: ignore[arg-type]


def open_pretrained_masked_lm(encoder_dir: str, device: torch.device) -> Any:
    """The encoder under the masked-LM head of its checkpoint. Raises `Absent` where any part of it is missing."""
    with torch.random.fork_rng():
        try:
            model, report = AutoModelForMaskedLM.from_pretrained(encoder_dir, output_loading_info=True, **PLAIN)
        except ValueError:  # a family without such a class
            raise Absent("transformers has no masked-LM head for this kind of encoder") from None
    if report["missing_keys"]:
        raise Absent("the checkpoint has no masked-LM head")
    return model.to(device).eval()


def shared_weights(encoder: Any, other: Any) -> dict[str, Tensor]:
    """Name → values in `other` of every parameter of `encoder` that both have; some heads have no pooler."""
    theirs = dict(other.named_parameters())
    return {name: theirs[name].detach() for name, _ in encoder.named_parameters() if name in theirs}
