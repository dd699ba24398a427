"""What was found in the saved model of one run: forgetting, and how far each layer moved. Written once beside its record."""

from bertft_core.config.base import Frozen
from bertft_core.records.not_computed import NotComputed

PROBE_VERSION = 2


class MaskedLMScores(Frozen):
    """Masked language modelling over the fixed masks of the probed texts."""

    loss: float
    """Nats per masked token."""
    perplexity: float | None
    """exp(loss); absent where it overflows."""
    accuracy: float
    """Share of the masked tokens whose most likely prediction is right."""
    top5_accuracy: float
    """Share of the masked tokens that are among the five most likely predictions."""


class MaskedLMFound(Frozen):
    """Before and after fine-tuning, both under the pre-trained masked-LM head."""

    n_texts: int
    n_masked: int
    before: MaskedLMScores
    after: MaskedLMScores
    put_back: tuple[MaskedLMScores, ...] = ()
    """At k: with the top k of the L layers put back, k = 0 … L, the embeddings fine-tuned; empty when not asked for."""


class LayerDrift(Frozen):
    """How far the weights of one depth moved."""

    where: str
    """embeddings, layer 0, …"""
    l2: float
    relative_l2: float | None
    """Over the norm of the pre-trained weights; absent where that is 0."""


class LayerSimilarity(Frozen):
    """Linear CKA of the states behind one depth, before and after."""

    where: str
    biased: float | None
    unbiased: float | None
    """Absent where the states do not vary."""


class ProbeRecord(Frozen):
    """The probes of one run; the same model gives the same record."""

    version: int = PROBE_VERSION
    run_digest: str
    probes_digest: str
    """Of what was asked for, the texts included."""
    masked_lm: MaskedLMFound | None = None
    drift: tuple[LayerDrift, ...] = ()
    similarity: tuple[LayerSimilarity, ...] = ()
    n_similarity_texts: int | None = None
    absent: dict[str, NotComputed] = {}
    """Probe that was asked for and could not be computed → why."""
    error: str | None = None
    """Why probing failed; a later command tries again."""
