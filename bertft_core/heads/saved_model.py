"""A saved model with everything that belongs to its head: what plain transformers cannot know is written beside its weights.

`model, head = load_model(model_dir)` is the one call that opens every model of bertft. A head that pools by `cls` or `mean` and
a CRF are not in the classes of transformers; plain `AutoModelFor…` opens such models too, but computes without them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PreTrainedModel,
)

from bertft_core.config import UserError
from bertft_core.config.head_settings import AnyHead, HeadConfig
from bertft_core.heads import pooling
from bertft_core.heads.crf import CRF
from bertft_core.heads.inputs import HeadInputs

FILE = "bertft_head.json"
AUTO_CLASSES: dict[str, Any] = {
    "classification": AutoModelForSequenceClassification,
    "multi_label": AutoModelForSequenceClassification,
    "regression": AutoModelForSequenceClassification,
    "token_classification": AutoModelForTokenClassification,
    "question_answering": AutoModelForQuestionAnswering,
    "masked_lm": AutoModelForMaskedLM,
}
"""Kind of the head → the class of transformers that its models are saved by."""


def _attach_crf(model: PreTrainedModel, directory: Path, head: Any) -> None:
    if head.crf:
        model.crf = CRF.load(directory)


Attach = Callable[[PreTrainedModel, Path, Any], None]
ATTACH: dict[str, Attach] = {"token_classification": _attach_crf}
"""Kind of the head → puts what lies beside the weights in the folder back on the model, as its configuration says."""


class Opened(NamedTuple):
    """A saved model in evaluation mode, and the configuration of its head."""

    model: PreTrainedModel
    head: AnyHead

    @torch.no_grad()
    def __call__(self, batch: Mapping[str, Tensor]) -> Tensor:
        """The logits that training and scoring saw, from what the tokenizer gives for texts with `return_tensors="pt"`.

        [texts, labels] of a head over whole texts, [texts, pieces, labels] of one over word pieces, [texts, pieces, 2] (start
        and end) of question answering. Several windows of a text are several texts here.
        """
        if getattr(self.head, "pooling", "pooler") != "pooler":
            return _pooled_logits(self.model, self.head.pooling, batch)  # type: ignore[union-attr]
        output = self.model(**batch)
        if self.head.kind == "question_answering":
            return torch.stack([output.start_logits, output.end_logits], dim=-1)
        return output.logits  # type: ignore[no-any-return]


def load_model(model_dir: str | Path) -> Opened:
    """Open a model saved by bertft, on the CPU. `UserError` for a folder that holds none."""
    directory = Path(model_dir)
    head = _read(directory / FILE)
    model = AUTO_CLASSES[head.kind].from_pretrained(
        directory, use_safetensors=True, local_files_only=True, trust_remote_code=False
    )
    if head.kind in ATTACH:
        ATTACH[head.kind](model, directory, head)
    return Opened(model.eval(), head)


def write_head(model_dir: Path, head: AnyHead) -> None:
    """Write the head's configuration beside the weights."""
    (model_dir / FILE).write_text(head.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _read(path: Path) -> AnyHead:
    try:
        return TypeAdapter(HeadConfig).validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        problem, found = "this is no model saved by bertft", f"no {FILE}"
    except ValidationError as error:
        problem, found = "the configuration of the head cannot be read", str(error).splitlines()[0]
    hint = "name the folder `model` of a run; a model of plain transformers is opened by its AutoModelFor… class"
    raise UserError(problem, path=path, found=found, expected=f"a folder with {FILE}", hint=hint)


def _pooled_logits(model: PreTrainedModel, how: str, batch: Mapping[str, Tensor]) -> Tensor:
    """[texts, labels] by way of the tail that training had."""
    real = batch["attention_mask"].bool()
    pieces = model.base_model(**batch).last_hidden_state[real]
    lengths = real.sum(1).cpu().numpy()
    work = HeadInputs(
        input_ids=batch["input_ids"][real].cpu().numpy(),
        token_type_ids=None,
        window_lengths=lengths,
        windows_of=np.ones_like(lengths),
        positions=None,
        n_targets=0,
        targets=None,
    )
    first = torch.from_numpy(np.cumsum(lengths) - lengths).to(pieces.device)
    tail = pooling.head_forward_of(model, how, work)
    return tail(pieces if how == "mean" else pieces[first])  # type: ignore[misc]
