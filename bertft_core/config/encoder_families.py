"""What is known of the families of encoders: where their layers are, and what their tokenizers and positions are like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

BatchLayout = Literal["packed", "padded", "by_length"]
"""How the texts of a batch are laid out: all tokens in one row, padded to the longest, or padded with one length at a time."""


class Parts(NamedTuple):
    """Names of modules inside the encoder."""

    bottom: tuple[str, ...]
    """What comes before the first layer or is shared by all of them; counted as embeddings."""
    layers: str
    """The list of layers, from the bottom."""
    pooler: str | None = "pooler"
    """Read only by heads over whole texts; absent in models of other heads."""
    unit: str = "layer"
    """What an entry of the list is."""
    attention: tuple[str, ...] = ("attention",)
    """Inside a layer: what holds all linear layers of its attention."""
    query_value: tuple[str, ...] = ()
    """Inside a layer: the linear layers that make queries and values; empty where lora and replay are not tried."""
    by_hand: str | None = None
    """The setting with the activation of its layers, which `training/fast_layers` can compute where it is GELU; else None."""
    packed: bool = False
    """Its batches can be packed: `training/packed_families.py` knows its layers, which read no neighbours but by attention."""


_QUERY_VALUE = ("attention.self.query", "attention.self.value")
_PLAIN = Parts(("embeddings",), "encoder.layer")
_BERT = _PLAIN._replace(query_value=_QUERY_VALUE, packed=True, by_hand="hidden_act")
# Relative positions are read by every layer; some checkpoints have a convolution after the lowest one.
_DEBERTA = Parts(("embeddings", "encoder.rel_embeddings", "encoder.LayerNorm", "encoder.conv"), "encoder.layer")
FAMILIES: dict[str, Parts] = {
    "bert": _BERT,
    "roberta": _BERT,
    "xlm-roberta": _BERT,
    "camembert": _BERT,
    "electra": _BERT._replace(bottom=("embeddings", "embeddings_project"), pooler=None),
    "distilbert": Parts(
        ("embeddings",),
        "transformer.layer",
        None,
        query_value=("attention.q_lin", "attention.v_lin"),
        packed=True,
        by_hand="activation",
    ),
    "deberta": _DEBERTA,
    "deberta-v2": _DEBERTA._replace(query_value=("attention.self.query_proj", "attention.self.value_proj"), packed=True),
    "mpnet": Parts(("embeddings", "encoder.relative_attention_bias"), "encoder.layer", packed=True),
    "longformer": _PLAIN,
    "big_bird": _PLAIN,
    "albert": Parts(("embeddings", "encoder.embedding_hidden_mapping_in"), "encoder.albert_layer_groups", unit="layer group"),
    # The last norm of ModernBERT and EuroBERT counts with the head.
    "modernbert": Parts(("embeddings",), "layers", None, packed=True, by_hand="hidden_activation"),
    "eurobert": Parts(("embed_tokens",), "layers", None),
    "nomic_bert": Parts(("embeddings",), "layers"),
}
"""`model_type` → its parts. Encoders of all other types are fine-tuned as a whole."""
WITH_ADAPTERS = tuple(kind for kind, parts in FAMILIES.items() if parts.query_value)
"""Families that lora and replay are tried with; both are refused for all others."""
PACKED = tuple(kind for kind, parts in FAMILIES.items() if parts.packed)
READS_PADDING = ("fnet", "convbert", "funnel", "big_bird")
"""Types whose result for a text would depend on how long the texts beside it are; see `heads/window_groups.py`."""
SHARED_LAYERS = "albert"
"""The type whose layers are the same weights, applied again and again."""
RESERVED_POSITIONS = dict.fromkeys(
    (
        "roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "roberta-prelayernorm", "longformer", "mpnet",
        "data2vec-text", "ibert", "xmod",
    ),
    2,
)  # fmt: skip
"""Model types that number positions from the padding id on, so that the first positions are unused."""
BERT_LIKE = FAMILIES.keys() - {"eurobert"}
"""Families whose texts always begin with one special token and end with another."""


def n_layers_of(settings: dict[str, Any]) -> int | None:
    """The number of layers with weights of their own, by a `config.json`; None where it does not say."""
    if settings.get("model_type") == SHARED_LAYERS:
        return settings.get("num_hidden_groups") or 1
    return settings.get("num_hidden_layers", settings.get("n_layers"))


def batches_of(settings: Mapping[str, Any]) -> BatchLayout:
    """How batches are laid out for an encoder with this `config.json`."""
    kind = settings.get("model_type")
    if kind in READS_PADDING and settings.get("attention_type") != "original_full":
        return "by_length"
    # The convolution of the largest DeBERTa-v2 checkpoints reads the tokens beside a token, which are of another text in a row.
    return "packed" if kind in PACKED and not settings.get("conv_kernel_size") else "padded"


def is_by_hand(settings: Mapping[str, Any]) -> bool:
    """The layers of an encoder with this `config.json` can be computed by hand."""
    family = FAMILIES.get(settings.get("model_type", ""))
    if family is None or family.by_hand is None or settings.get("is_decoder"):
        return False
    return settings.get(family.by_hand, "gelu") == "gelu"  # what transformers takes where nothing is said


def most_tokens(settings: dict[str, Any]) -> int | None:
    """The longest input that the model has positions for; None where there is no limit."""
    positions = settings.get("max_position_embeddings")
    if positions is None:
        return None
    limit = positions - RESERVED_POSITIONS.get(settings.get("model_type", ""), 0)
    if settings.get("model_type") == "big_bird" and settings.get("attention_type") != "original_full":
        block = settings.get("block_size") or 64
        return limit // block * block  # inputs are filled up to whole blocks
    return limit
