"""The two encoders that the probes compare, the one a run started from and the one it ended with, and how they read examples."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import AutoModel, AutoModelForMaskedLM

from bertft_core.data.batching import padded
from bertft_core.heads.saved_model import load_model
from bertft_core.records.not_computed import NotComputed, Reason

BATCH_SIZE = 32


class Absent(Exception):
    """This probe cannot be computed for this run, and why."""

    def __init__(self, reason: Reason, *, n: int | None = None, needed: int | None = None, detail: str | None = None) -> None:
        super().__init__(reason)
        self.why = NotComputed(reason=reason, n=n, needed=needed, detail=detail)


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
            raise Absent("no masked-LM class") from None
    if report["missing_keys"]:
        raise Absent("no masked-LM head")
    return model.to(device).eval()


def shared_weights(encoder: Any, other: Any) -> dict[str, Tensor]:
    """Name → values in `other` of every parameter of `encoder` that both have; some heads have no pooler."""
    theirs = dict(other.named_parameters())
    return {name: theirs[name].detach() for name, _ in encoder.named_parameters() if name in theirs}


def batches(lengths: np.ndarray) -> Iterator[np.ndarray]:
    """Positions of examples with these lengths [n] in batches of like length, the longest first."""
    order = np.argsort(-lengths, kind="stable")
    for start in range(0, len(order), BATCH_SIZE):
        yield order[start : start + BATCH_SIZE]


def inputs_of(encoder: Any, ids: Sequence[np.ndarray], types: Sequence[np.ndarray | None]) -> dict[str, Tensor]:
    """Arguments of the encoder, [windows, longest], from the tokens and token types of each window."""
    given = [row for row in types if row is not None]
    lengths = np.array([len(row) for row in ids])
    pad_token_id = getattr(encoder.config, "pad_token_id", None) or 0
    batch = padded(np.concatenate(ids), np.concatenate(given) if given else None, lengths, pad_token_id)
    return {name: values.to(encoder.device) for name, values in batch.items()}
