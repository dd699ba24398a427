"""Masked language modelling before and after fine-tuning, with fixed masks.

Source:   Mosbach et al. 2021, section 4.1.
Measures: the encoder before and after fine-tuning, both under the pre-trained masked-LM head, its vocabulary matrix included:
          only the encoder changes. Then with the top k of the L layers reset to the pre-trained ones, k = 0 … L, one pass
          each; the embeddings stay fine-tuned at every k, so what differs from "before" at k = L is due to them.
Limits:   needs a checkpoint with its masked-LM head, and a family whose head and layers are known.
"""

import copy
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from bertft_core.config import UserError
from bertft_core.config.data_settings import BundledData
from bertft_core.config.encoder_families import most_tokens
from bertft_core.config.probe_settings import MaskedLMProbe
from bertft_core.data.alignment import masked_lm as alignment
from bertft_core.data.encoder_files import EncoderFiles
from bertft_core.data.prepared_split import PreparedSplit
from bertft_core.data.probe_texts import read_probe_texts
from bertft_core.data.tokenization import load_tokenizer, uses_token_types
from bertft_core.heads.head_parts import parts_of
from bertft_core.heads.masked_lm import MAX_LOGITS, logits_of
from bertft_core.records.probe_record import MaskedLMFound, MaskedLMScores
from bertft_core.training.probing.drift import depths_of
from bertft_core.training.probing.encoders import Absent, batches, inputs_of, shared_weights

MAX_LENGTH = 128
"""Tokens read at once; longer texts are read in several blocks."""


def masked_lm(pretrained: Any, finetuned: Any, split: PreparedSplit, *, put_back: bool) -> MaskedLMFound:
    """`pretrained` with its head, `finetuned` a bare encoder, `split` as `masked_split` makes it. Raises `Absent`."""
    if parts_of(pretrained) is None:
        raise Absent("masked-LM head not supported", detail=pretrained.config.model_type)
    before, n_masked = scores(pretrained, pretrained.base_model, split)
    mixed = Mixed(pretrained.base_model, finetuned)
    after = scores(pretrained, mixed.with_top_layers_put_back(0), split)[0]
    found = [after]
    for k in range(1, mixed.n_layers + 1) if put_back else ():
        found.append(scores(pretrained, mixed.with_top_layers_put_back(k), split)[0])
    kept = tuple(found) if put_back else ()
    return MaskedLMFound(n_texts=split.n, n_masked=n_masked, before=before, after=after, put_back=kept)


def masked_split(probe: MaskedLMProbe, encoder: EncoderFiles) -> PreparedSplit:
    """The probed texts as tokens, with the masks of evaluation. Raises `Absent` for a tokenizer that cannot mask them."""
    longest = min(MAX_LENGTH, most_tokens(encoder.settings) or MAX_LENGTH)
    blocks = BundledData(source="bundled", name="manuals", max_length=longest)  # only its length is read
    examples = read_probe_texts(probe)
    try:
        table = alignment.tokenise(load_tokenizer(encoder), examples, (), blocks, uses_token_types(encoder))
    except UserError as error:
        raise Absent("not probed", detail=error.problem) from None
    return PreparedSplit(table, "probe")


class Mixed:
    """An encoder with the fine-tuned weights in some layers and the pre-trained ones in the others."""

    def __init__(self, pretrained: nn.Module, finetuned: nn.Module) -> None:
        self._encoder = copy.deepcopy(pretrained)
        self._start = {name: values.detach() for name, values in pretrained.named_parameters()}
        self._end = shared_weights(pretrained, finetuned)
        self._depths, names = depths_of(pretrained)
        self.n_layers = len(names) - 1

    @torch.no_grad()
    def with_top_layers_put_back(self, k: int, *, embeddings: bool = False) -> nn.Module:
        """The top k layers pre-trained, the layers below fine-tuned, and so the embeddings unless they are reset as well."""
        for name, values in self._encoder.named_parameters():
            depth = self._depths[name]
            back = embeddings if depth == 0 else depth > self.n_layers - k
            values.copy_(self._start[name] if back or name not in self._end else self._end[name])
        return self._encoder


@torch.no_grad()
def scores(model: Any, encoder: Any, split: PreparedSplit) -> tuple[MaskedLMScores, int]:
    """The scores of `encoder` under the head of `model`, and over how many masked tokens."""
    windows = [window for i in range(split.n) for window in _windows(split, i)]
    losses, hits, top = np.zeros(len(windows)), 0, 0
    for rows in batches(np.array([len(window.shown) for window in windows])):
        some = [windows[row] for row in rows]
        inputs = inputs_of(encoder, [window.shown for window in some], [window.types for window in some])
        hidden = encoder(**inputs).last_hidden_state
        for position, row in enumerate(rows):
            loss, right, near = _scored(model, hidden[position], windows[row])
            losses[row], hits, top = loss, hits + right, top + near
    n = sum(len(window.positions) for window in windows)
    loss = float(losses.sum()) / n
    perplexity = math.exp(loss) if loss < math.log(np.finfo(np.float64).max) else None
    return MaskedLMScores(loss=loss, perplexity=perplexity, accuracy=hits / n, top5_accuracy=top / n), n


class _Window:
    """One block of a text, with some tokens masked."""

    def __init__(self, shown: np.ndarray, types: np.ndarray | None, positions: np.ndarray, targets: np.ndarray) -> None:
        self.shown, self.types, self.positions, self.targets = shown, types, positions, targets


def _windows(split: PreparedSplit, i: int) -> Sequence[_Window]:
    """The blocks of example i with masked tokens."""
    ids, masked, types = split.input_ids(i), split.ragged("masked", i), split.token_type_ids(i)
    seen = ids.copy()
    seen[masked] = split.ragged("shown", i)
    found, start = [], 0
    for length in split.window_lengths(i):
        inside = masked[(masked >= start) & (masked < start + length)]
        if len(inside):
            part = slice(start, start + length)
            found.append(_Window(seen[part], None if types is None else types[part], inside - start, ids[inside]))
        start += length
    return found


def _scored(model: Any, hidden: torch.Tensor, window: _Window) -> tuple[float, int, int]:
    """Loss summed over the masked tokens in nats, and how many are predicted right and among the five likeliest."""
    targets = torch.from_numpy(window.targets.astype(np.int64)).to(hidden.device)
    states = hidden[torch.from_numpy(window.positions.astype(np.int64)).to(hidden.device)]
    loss, right, near = 0.0, 0, 0
    n_rows = max(1, MAX_LOGITS // model.config.vocab_size)
    for part, wanted in zip(states.split(n_rows), targets.split(n_rows), strict=True):
        logits = logits_of(model, part)
        loss += float(nn.functional.cross_entropy(logits, wanted, reduction="none").double().sum())
        likeliest = logits.topk(min(5, logits.shape[-1]), dim=-1).indices
        right += int((likeliest[:, 0] == wanted).sum())
        near += int((likeliest == wanted[:, None]).any(-1).sum())
    return loss, right, near
