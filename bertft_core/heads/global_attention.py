"""Which tokens of a Longformer read all tokens and are read by all; every other token reads its neighbours only.

Source:   Beltagy, Peters & Cohan 2020, section 3.1: the first token in classification, the question in question answering. As in
          transformers' own classes there are none in token classification and masked language modelling.
"""

from typing import Any, Literal

import torch
from torch import Tensor

GlobalTokens = Literal["none", "first", "question"]


def with_global_attention(model: Any, batch: dict[str, Tensor], tokens: GlobalTokens) -> dict[str, Tensor]:
    """A padded batch with the argument that a Longformer has for it; that of every other family as it is."""
    if model.config.model_type != "longformer" or tokens == "none":
        return batch
    ids = batch["input_ids"]
    place = torch.arange(ids.shape[1], device=ids.device)[None]
    ends = torch.ones_like(ids[:, :1]) if tokens == "first" else _question_ends(ids, model.config.sep_token_id)
    return {**batch, "global_attention_mask": (place < ends).long()}


def _question_ends(ids: Tensor, sep_token_id: int) -> Tensor:
    """[w, 1]: the place of the first separator."""
    return (ids == sep_token_id).int().argmax(dim=1, keepdim=True)
