"""A saved model with everything that belongs to its head: what transformers has no place for is stored beside its weights.

`model, head = load_model(model_dir)` opens every model of bertft. The classes of transformers have no pooling by `cls` or `mean`,
no CRF and no attention over windows; plain `AutoModelFor…` opens such models too, but computes without them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import transformers
from pydantic import TypeAdapter, ValidationError
from torch import Tensor
from transformers import PreTrainedModel

from bertft_core.config import UserError
from bertft_core.config.head_settings import AnyHead, HeadConfig
from bertft_core.heads import HEADS
from bertft_core.heads.global_attention import with_global_attention
from bertft_core.heads.pooling import TextHeadConfig, pooled_forward, reads_all_tokens, window_forward
from bertft_core.heads.window_aggregation import aggregated
from bertft_core.storage.damage import HEAD_FILE
from bertft_core.storage.weight_files import read_headers, weight_files


class Opened(NamedTuple):
    """A saved model in evaluation mode, and the configuration of its head."""

    model: PreTrainedModel
    head: AnyHead

    @torch.no_grad()
    def __call__(self, batch: Mapping[str, Tensor]) -> Tensor:
        """The logits that training and scoring saw, from what the tokenizer gives for texts with `return_tensors="pt"`.

        [texts, labels] of a head over whole texts, [texts, tokens, labels] of one over tokens, [texts, tokens, 2] (start and
        end) of question answering. Several windows of a text are several texts here.
        """
        if getattr(self.head, "pooling", "pooler") != "pooler":
            return _of_states(self.model, self.head, batch, scored=False)
        head = HEADS[self.head.kind]
        return head.own_logits(self.model(**with_global_attention(self.model, dict(batch), head.global_tokens)))

    @torch.no_grad()
    def of_document(self, batch: Mapping[str, Tensor]) -> Tensor:
        """The logits [labels] of one text from its windows, the rows of `batch`: aggregated as in training.

        For heads over whole texts.
        """
        assert isinstance(self.head, TextHeadConfig)
        aggregate = self.head.aggregate
        if aggregate == "first":
            batch = {name: rows[:1] for name, rows in batch.items()}
        of_windows = _of_states(self.model, self.head, batch, scored=True) if aggregate == "attention" else self(batch)
        return aggregated(of_windows, np.array([len(of_windows)]), aggregate)[0]


def load_model(model_dir: str | Path) -> Opened:
    """Open a model saved by bertft, on the CPU. `UserError` for a folder that holds none."""
    directory = Path(model_dir)
    head = _read(directory / HEAD_FILE)
    model = _opened(directory, getattr(transformers, head.auto_class))
    for name in head.extra_parts:
        setattr(model, name, HEADS[head.kind].extra_parts[name].load(directory))
    return Opened(model.eval(), head)


def _opened(directory: Path, auto_class: Any) -> PreTrainedModel:
    """The model of a folder that holds all of its weights. Raises `UserError` for one that does not."""
    read_headers(weight_files(directory))
    try:
        how: dict[str, Any] = {"use_safetensors": True, "local_files_only": True, "trust_remote_code": False}
        model, report = auto_class.from_pretrained(directory, output_loading_info=True, **how)
        wrong = sorted(report["missing_keys"]) + sorted(report["unexpected_keys"])
    except Exception as error:  # of many kinds, all meaning that config.json and weights do not make a model
        model, wrong = None, (str(error).strip().splitlines() or [type(error).__name__])[:1]
    if wrong:
        raise UserError(
            "the saved model cannot be opened",
            code="model.unusable",
            path=directory,
            found=", ".join(wrong[:3])[:300],
            expected="config.json and exactly the weights that it describes",
            hint="copy the folder again from where it was trained, or train it again with: bertft run CONFIG --force",
        )
    return model


def write_head(model_dir: Path, head: AnyHead) -> None:
    """Write the head's configuration beside the weights."""
    (model_dir / HEAD_FILE).write_text(head.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _read(path: Path) -> AnyHead:
    try:
        return TypeAdapter(HeadConfig).validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        problem, found = "this is not a model saved by bertft", f"no {HEAD_FILE}"
        hint = "name the folder `model` of a run; a model of plain transformers is opened by its AutoModelFor… class"
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        problem, found = "the configuration of the head cannot be read", ": ".join([*map(str, first["loc"][-1:]), first["msg"]])
        hint = "copy the file from a backup, or train this study again with: bertft run CONFIG --force"
    raise UserError(problem, code="model.unreadable", path=path, found=found, expected=f"a folder with {HEAD_FILE}", hint=hint)


def _of_states(model: PreTrainedModel, head: Any, batch: Mapping[str, Tensor], *, scored: bool) -> Tensor:
    """[texts, labels] by the same head as in training; with the scores of attention behind them where these are asked for."""
    real = batch["attention_mask"].bool()
    states = model.base_model(**with_global_attention(model, dict(batch), "first")).last_hidden_state[real]
    lengths = real.sum(1).cpu().numpy()
    first = torch.from_numpy(np.cumsum(lengths) - lengths).to(states.device)
    forward = window_forward(model, head, lengths) if scored else pooled_forward(model, head.pooling, lengths)
    assert forward is not None  # other families are refused before training
    return forward(states if reads_all_tokens(model, head) else states[first])
