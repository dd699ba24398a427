"""Token classification: a label for every word, learned at its first subword, with or without a CRF over the sentence.

Only the first subword of a word has a label in training (Devlin et al. 2019, section 5.3). Each word is read in one window only,
its owner, so that every word counts once, in training and in scoring.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import AutoModelForTokenClassification, PreTrainedModel

from bertft_core.config.head_settings import TokenClassificationHead
from bertft_core.heads.crf import CRF
from bertft_core.heads.head import Head, LabelClasses, load
from bertft_core.heads.head_parts import parts_of
from bertft_core.heads.inputs import Draw, HeadForward, HeadInputs, TokenisedSplit, window_inputs
from bertft_core.loss_shapes import PLAIN, LossShape, cross_entropy_sum, precise
from bertft_core.metrics.tag_schemes import allowed_transitions, scheme_of
from bertft_core.records.list_columns import ragged_column

Ints = NDArray[np.int64]


class Words(NamedTuple):
    """The targets of a pass; its words are those of all its sentences, one after another."""

    tags: Ints
    """[words] label ids."""
    sentences: Ints
    """[n] words of each sentence."""
    rows: Ints
    """[words] subwords of each word that the head reads; they add up to the rows of the logits."""

    @property
    def first(self) -> Ints:
        """[words] row of each word's first subword."""
        return np.cumsum(self.rows) - self.rows


class Tagged(NamedTuple):
    """The output for a sentence."""

    logits: NDArray[np.float32]
    """[words, labels]"""
    predicted: NDArray[np.int32]
    """[words]"""
    marginals: NDArray[np.float32] | None = None
    """[words, labels]: probabilities of a CRF, for new examples only."""


def build(encoder_dir: str, labels: Sequence[str], dropout: float | None, config: TokenClassificationHead) -> PreTrainedModel:
    """`AutoModelForTokenClassification` in fp32 on the CPU; see `head.load`. With `config.crf` it has a `CRF` as
    `model.crf`, drawn after the classifier, which is thus the same with and without one; or that of the checkpoint.
    """
    model = load(AutoModelForTokenClassification, encoder_dir, dropout, labels, init=config.init)
    if config.crf and config.init == "checkpoint":
        model.crf = CRF.load(encoder_dir)
    elif config.crf:
        model.crf = CRF(len(labels), allowed_transitions(labels, scheme_of(labels)))
    return model


def head_inputs(
    split: TokenisedSplit, indices: Sequence[int] | np.ndarray, config: TokenClassificationHead, draw: Draw | None = None
) -> HeadInputs:
    """Reading every window; positions are the subwords that stand for each word."""
    offset = 0
    starts, lengths = [], []
    for i in indices:
        starts.append(split.ragged("word_starts", i).astype(np.int64) + offset)
        lengths.append(split.ragged("word_lengths", i).astype(np.int64))
        offset += len(split.input_ids(i))
    tags = [split.ragged("tags", i).astype(np.int64) for i in indices]
    positions, rows = _subwords_read(np.concatenate(starts), np.concatenate(lengths), config.word_prediction)
    words = Words(np.concatenate(tags), np.array([len(sentence) for sentence in tags]), rows)
    return window_inputs(split, indices, positions=positions, n_targets=len(words.tags), targets=words)


def _subwords_read(starts: Ints, lengths: Ints, which: str) -> tuple[Ints, Ints]:
    """Positions of the subwords that are read, rising, and how many of each word: always the first, which learns."""
    rows = {"first": np.ones_like(lengths), "last": np.minimum(lengths, 2), "mean": lengths}[which]
    step = lengths - 1 if which == "last" else np.ones_like(lengths)
    within = np.arange(rows.sum()) - np.repeat(np.cumsum(rows) - rows, rows)
    return np.repeat(starts, rows) + within * np.repeat(step, rows), rows


def head_forward(model: PreTrainedModel, config: TokenClassificationHead, inputs: HeadInputs) -> HeadForward | None:
    """From states to logits [subwords, labels]; None for an unknown family."""
    parts = parts_of(model)
    return None if parts is None else partial(parts.token_classifier, model)


def _crf(model: PreTrainedModel) -> CRF:
    assert isinstance(model.crf, CRF)
    return model.crf


def loss_sum(
    model: PreTrainedModel, logits: Tensor, inputs: HeadInputs, config: TokenClassificationHead, shape: LossShape = PLAIN
) -> Tensor:
    """Summed over the words, in nats: cross-entropy at first subwords, or -log p of the tag sequence of each sentence. fp32."""
    words: Words = inputs.targets
    emissions = precise(logits[torch.from_numpy(words.first).to(logits.device)])
    tags = torch.from_numpy(words.tags).to(logits.device)
    if config.crf:
        return _crf(model).neg_log_likelihood(emissions, tags, words.sentences.tolist())
    return cross_entropy_sum(emissions, tags, shape)


def outputs(model: PreTrainedModel, logits: Tensor, inputs: HeadInputs, config: TokenClassificationHead) -> list[Tagged]:
    """Logits and predicted label of each word, for each sentence: the largest logit (the first of equals) or the Viterbi path."""
    words: Words = inputs.targets
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


def answer_outputs(model: PreTrainedModel, logits: Tensor, inputs: HeadInputs, config: TokenClassificationHead) -> list[Tagged]:
    """`outputs`; with a CRF also the marginals of the words."""
    rows = outputs(model, logits, inputs, config)
    if not config.crf:
        return rows
    lengths = [len(row.logits) for row in rows]
    emissions = torch.from_numpy(np.concatenate([row.logits for row in rows])).to(logits.device)
    marginals = np.split(_crf(model).marginals(emissions, lengths).cpu().numpy(), np.cumsum(lengths)[:-1])
    return [row._replace(marginals=of_sentence) for row, of_sentence in zip(rows, marginals, strict=True)]


def predictions(gold: pa.Table, rows: Sequence[Tagged]) -> pa.Table:
    """`gold` (example_id, label) with the predicted label and the logits of each word, and `marginals` where there are any."""
    table = gold.append_column("predicted", ragged_column([row.predicted for row in rows]))
    table = table.append_column("logits", ragged_column([row.logits for row in rows]))
    marginals = [row.marginals for row in rows if row.marginals is not None]
    return table.append_column("marginals", ragged_column(marginals)) if marginals else table


def _classes(split: TokenisedSplit, n_labels: int) -> LabelClasses:
    tags = np.concatenate([split.ragged("tags", i) for i in range(split.n)])
    return LabelClasses(np.bincount(tags, minlength=n_labels))


HEAD = Head(
    pipeline="token-classification",
    build=build,
    head_inputs=head_inputs,
    head_forward=head_forward,
    loss_sum=loss_sum,
    outputs=outputs,
    predictions=predictions,
    keeps_states=True,
    classes=_classes,
    extra_parts={CRF.name: CRF},
    answer_outputs=answer_outputs,
)
