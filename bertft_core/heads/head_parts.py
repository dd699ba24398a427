"""The layers behind the encoder in transformers' models of each family: one row for each, read by all heads.

A model whose family has no row, or a row without the part that a head needs, runs as a whole, in padded batches.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

Layers = Callable[[Any, Tensor], Tensor]
"""From a model and states [m, hidden] to logits [m, k]."""


class HeadParts(NamedTuple):
    """What the family's classes compute from the encoder's last hidden states."""

    first_token: Layers
    """Sequence classification from the first token's state: the family's own pooling, and its last layer."""
    last_layer: Layers
    """Its last linear layer alone, with the dropout before it, from a pooled state."""
    token_classifier: Layers
    vocabulary: Layers
    """Masked language modelling."""
    spans: Layers | None = lambda model, states: model.qa_outputs(states)
    """Question answering: start and end logits."""
    all_tokens: Callable[[Any, Tensor, np.ndarray], Tensor] | None = None
    """Sequence classification from the states of all tokens [T, hidden] of windows of these lengths [w], of models that
    `pools_all_tokens`."""


def mean_of_runs(values: Tensor, lengths: np.ndarray) -> Tensor:
    """[Σ lengths, k] → [len(lengths), k]: the mean of each run of rows."""
    return torch.stack([run.mean(0) for run in values.split(lengths.tolist())])


def _pooler(model: Any, states: Tensor) -> Tensor:
    """The encoder's pooling layer, which picks the first token itself."""
    return _plain(model, model.base_model.pooler(states[:, None]))


def _albert(model: Any, states: Tensor) -> Tensor:
    return _plain(model, model.albert.pooler_activation(model.albert.pooler(states)))


def _distilbert(model: Any, states: Tensor) -> Tensor:
    return _plain(model, nn.functional.relu(model.pre_classifier(states)))


def _deberta(model: Any, states: Tensor) -> Tensor:
    return _plain(model, model.pooler(states[:, None]))


def _plain(model: Any, states: Tensor) -> Tensor:
    return model.classifier(model.dropout(states))


def _own_head(model: Any, states: Tensor) -> Tensor:
    return model.classifier(states[:, None])


def _within_head(model: Any, states: Tensor) -> Tensor:
    return model.classifier.out_proj(model.classifier.dropout(states))


def _distilbert_vocabulary(model: Any, states: Tensor) -> Tensor:
    return model.vocab_projector(model.vocab_layer_norm(model.activation(model.vocab_transform(states))))


def _deberta_vocabulary(model: Any, states: Tensor) -> Tensor:
    if model.legacy:
        return model.cls(states)
    return model.lm_predictions(states, model.deberta.embeddings.word_embeddings)


def _modernbert(model: Any, states: Tensor) -> Tensor:
    return model.classifier(model.drop(model.head(states)))


def _modernbert_mean(model: Any, states: Tensor, lengths: np.ndarray) -> Tensor:
    return _modernbert(model, mean_of_runs(states, lengths))


def _eurobert(model: Any, states: Tensor) -> Tensor:
    return model.classifier(model.activation(model.dense(states)))


def _eurobert_all(model: Any, states: Tensor, lengths: np.ndarray) -> Tensor:
    if model.classifier_pooling == "late":
        return mean_of_runs(_eurobert(model, states), lengths)
    return _eurobert(model, mean_of_runs(states, lengths))


def _lm_head(model: Any, states: Tensor) -> Tensor:
    return model.lm_head(states)


def _cls(model: Any, states: Tensor) -> Tensor:
    return model.cls(states)


_BERT = HeadParts(_pooler, _plain, _plain, _cls)
_ROBERTA = HeadParts(_own_head, _within_head, _plain, _lm_head)
_DEBERTA = HeadParts(_deberta, _plain, _plain, _deberta_vocabulary)
HEAD_PARTS: dict[str, HeadParts] = {
    "bert": _BERT,
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "camembert": _ROBERTA,
    "electra": _ROBERTA._replace(vocabulary=lambda model, states: model.generator_lm_head(model.generator_predictions(states))),
    "distilbert": HeadParts(
        _distilbert, _plain, _plain, _distilbert_vocabulary, lambda model, states: model.qa_outputs(model.dropout(states))
    ),
    "deberta": _DEBERTA,
    "deberta-v2": _DEBERTA,
    "albert": HeadParts(_albert, _plain, _plain, lambda model, states: model.predictions(states)),
    "mpnet": _ROBERTA,
    "longformer": _ROBERTA,
    "big_bird": HeadParts(_own_head, _within_head, _plain, _cls, spans=None),  # its own class bars the question's tokens
    "nomic_bert": _BERT._replace(spans=None),  # neither this nor EuroBERT has a class for question answering
    "modernbert": HeadParts(
        _modernbert,
        lambda model, states: model.classifier(model.drop(states)),
        _modernbert,
        lambda model, states: model.decoder(model.head(states)),
        spans=_modernbert,
        all_tokens=_modernbert_mean,
    ),
    "eurobert": HeadParts(
        _eurobert,
        lambda model, states: model.classifier(states),
        lambda model, states: model.classifier(states),
        _lm_head,
        spans=None,
        all_tokens=_eurobert_all,
    ),
}
"""`model_type` → its parts."""


def parts_of(model: Any) -> HeadParts | None:
    """The parts of a model, or None for a family whose parts are unknown."""
    return HEAD_PARTS.get(model.config.model_type)


def pools_all_tokens(model: Any) -> bool:
    """Whether the model's own sequence classifier reads all tokens, as ModernBERT's may by its config."""
    parts = parts_of(model)
    return parts is not None and parts.all_tokens is not None and model.config.classifier_pooling in ("mean", "late")
