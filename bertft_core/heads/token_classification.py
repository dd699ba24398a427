"""Token classification: a label for every word, learned at its first piece, with or without a CRF over the sentence.

A word's first piece alone has a label in training (Devlin et al. 2019, section 5.3). Each word is read in one window only, its
owner, so that every word counts once, in training as in scoring.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import AutoModelForTokenClassification, PreTrainedModel

from bertft_core.config.head_settings import TokenClassificationHead
from bertft_core.heads.crf import CRF
from bertft_core.heads.encoder_loading import load
from bertft_core.heads.inputs import Draw, HeadForward, HeadInputs, TokenisedSplit, window_inputs
from bertft_core.heads.loss_shapes import PLAIN, LossShape, cross_entropy_sum, precise
from bertft_core.metrics.tag_schemes import allowed_transitions, scheme_of
from bertft_core.records.list_columns import ragged_column

CONSTANT = True
"""Training and scoring look at the same pieces, those of `word_prediction` and the first one of each word."""

FAMILIES = frozenset({"bert", "distilbert", "roberta", "xlm-roberta", "camembert", "electra", "deberta-v2"})
"""Model types whose token classifier is dropout and one linear layer behind the encoder."""

Ints = NDArray[np.int64]


class Words(NamedTuple):
    """The targets of a pass; its words are those of all its sentences, one after another."""

    tags: Ints
    """[words] label ids."""
    sentences: Ints
    """[n] words of each sentence."""
    rows: Ints
    """[words] pieces of each word that the head looks at; they add up to the rows of the logits."""

    @property
    def first(self) -> Ints:
        """[words] row of each word's first piece."""
        return np.cumsum(self.rows) - self.rows


class Tagged(NamedTuple):
    """What comes out for a sentence."""

    logits: NDArray[np.float32]
    """[words, labels]"""
    predicted: NDArray[np.int32]
    """[words]"""


def build(encoder_dir: str, labels: Sequence[str], dropout: float | None, config: TokenClassificationHead) -> PreTrainedModel:
    """`AutoModelForTokenClassification` in fp32 on the CPU; see `loading.load`. With `config.crf` it has a `CRF` as `model.crf`.

    The CRF is drawn behind the classifier, which is thus the same with and without one.
    """
    model = load(AutoModelForTokenClassification, encoder_dir, dropout, labels)
    if config.crf:
        model.crf = CRF(len(labels), allowed_transitions(labels, scheme_of(labels)))
    return model


def head_inputs(
    split: TokenisedSplit, indices: Sequence[int] | np.ndarray, config: TokenClassificationHead, draw: Draw | None = None
) -> HeadInputs:
    """Reading every window; positions are the pieces that speak for each word."""
    offset = 0
    starts, lengths = [], []
    for i in indices:
        starts.append(split.ragged("word_starts", i).astype(np.int64) + offset)
        lengths.append(split.ragged("word_lengths", i).astype(np.int64))
        offset += len(split.input_ids(i))
    tags = [split.ragged("tags", i).astype(np.int64) for i in indices]
    positions, rows = _speaking(np.concatenate(starts), np.concatenate(lengths), config.word_prediction)
    words = Words(np.concatenate(tags), np.array([len(sentence) for sentence in tags]), rows)
    return window_inputs(split, indices, positions=positions, n_targets=len(words.tags), targets=words)


def _speaking(starts: Ints, lengths: Ints, which: str) -> tuple[Ints, Ints]:
    """Positions of the pieces looked at, rising, and how many of each word: always the first, which learns."""
    rows = {"first": np.ones_like(lengths), "last": np.minimum(lengths, 2), "mean": lengths}[which]
    step = lengths - 1 if which == "last" else np.ones_like(lengths)
    within = np.arange(rows.sum()) - np.repeat(np.cumsum(rows) - rows, rows)
    return np.repeat(starts, rows) + within * np.repeat(step, rows), rows


def own_logits(output: Any) -> Tensor:
    """Logits [windows, pieces, labels] of the whole model."""
    return output.logits  # type: ignore[no-any-return]


def head_forward(model: PreTrainedModel, config: TokenClassificationHead, work: HeadInputs) -> HeadForward | None:
    """Logits [pieces, labels] behind the encoder; None for a family that is not known."""
    if model.config.model_type not in FAMILIES:
        return None
    return lambda states: model.classifier(model.dropout(states))  # type: ignore[operator]


def _crf(model: PreTrainedModel) -> CRF:
    assert isinstance(model.crf, CRF)
    return model.crf


def loss_sum(
    model: PreTrainedModel, logits: Tensor, work: HeadInputs, config: TokenClassificationHead, shape: LossShape = PLAIN
) -> Tensor:
    """Summed over the words, in nats: cross-entropy at first pieces, or -log p of the tag sequence of whole sentences. fp32."""
    words: Words = work.targets
    emissions = precise(logits[torch.from_numpy(words.first).to(logits.device)])
    tags = torch.from_numpy(words.tags).to(logits.device)
    if config.crf:
        return _crf(model).neg_log_likelihood(emissions, tags, words.sentences.tolist())
    return cross_entropy_sum(emissions, tags, shape)


def outputs(model: PreTrainedModel, logits: Tensor, work: HeadInputs, config: TokenClassificationHead) -> list[Tagged]:
    """Logits and predicted label of each word, for each sentence: the largest logit (the first of equals) or Viterbi's path."""
    words: Words = work.targets
    of_words = _word_logits(logits.float().cpu().numpy(), words, config.word_prediction)
    of_sentences = np.split(of_words, np.cumsum(words.sentences)[:-1])
    if config.crf:
        predicted = _crf(model).decode(torch.from_numpy(of_words), words.sentences.tolist())
    else:
        predicted = [sentence.argmax(axis=1) for sentence in of_sentences]
    return [Tagged(sentence, ids.astype(np.int32)) for sentence, ids in zip(of_sentences, predicted, strict=True)]


def _word_logits(logits: NDArray[np.float32], words: Words, which: str) -> NDArray[np.float32]:
    """[rows, labels] → [words, labels]"""
    if which == "first":
        return logits[words.first]
    if which == "last":
        return logits[words.first + words.rows - 1]
    means = np.add.reduceat(logits, words.first, axis=0) / words.rows[:, None]
    return means.astype(np.float32)


def predictions(gold: pa.Table, rows: Sequence[Tagged]) -> pa.Table:
    """`gold` (example_id, label) with the predicted label and the logits of each word."""
    predicted = ragged_column([row.predicted for row in rows])
    return gold.append_column("predicted", predicted).append_column("logits", ragged_column([row.logits for row in rows]))
