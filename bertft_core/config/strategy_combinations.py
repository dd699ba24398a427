"""Which strategies can be combined, and with which heads; other combinations are refused with the reason."""

from collections import Counter
from collections.abc import Sequence

from bertft_core.config.head_settings import HEAD_CONFIGS, AnyHead, Offer
from bertft_core.config.strategy_settings import AnyStrategy

WHOLE_ENCODER = "feature_extraction freezes the whole encoder, so the other has nothing to change"
EVERYTHING = "full trains every parameter from the first step"
WEIGHTS_STAY = "the weight matrices of the encoder stay as they are, so the other has nothing to change"

REFUSED: dict[frozenset[str], str] = {
    **{
        frozenset({"feature_extraction", kind}): WHOLE_ENCODER
        for kind in ("bitfit", "lora", "freezing", "reinit", "llrd", "gradual_unfreezing", "mixout", "prior_decay", "replay")
    },
    **{
        frozenset({"full", kind}): EVERYTHING
        for kind in ("feature_extraction", "bitfit", "lora", "freezing", "gradual_unfreezing")
    },
    **{frozenset({few, kind}): WEIGHTS_STAY for few in ("bitfit", "lora") for kind in ("mixout", "prior_decay")},
    **{frozenset({few, "reinit"}): "the layers that reinit redraws would stay random" for few in ("bitfit", "lora")},
    frozenset({"bitfit", "lora"}): "each freezes what the other trains",
    frozenset({"lora", "swa"}): "the product of the mean matrices is not the mean of their products",
    frozenset({"swa", "early_stopping"}): "with early stopping, the last evaluations are not known in advance",
}
"""Two kinds → why they are not combined."""

NEEDS: dict[str, tuple[Offer, str]] = {
    "class_weights": ("labels", "it has no classes to weight"),
    "focal_loss": ("cross_entropy", "its loss is not a cross-entropy"),
    "label_smoothing": ("cross_entropy", "its loss is not a cross-entropy"),
    "oversampling": ("example_classes", "its examples do not have one class each"),
    "stratified_batches": ("example_classes", "its examples do not have one class each"),
}
"""Kind → what it needs of a head, and what a head without it lacks; a kind that is not listed works with every head."""


def objection(strategies: Sequence[AnyStrategy], head: AnyHead) -> tuple[str, str] | None:
    """(kind of the strategy to change, reason) of the first invalid combination, or None."""
    kinds: list[str] = [strategy.kind for strategy in strategies]
    for kind, count in Counter(kinds).items():
        if count > 1:
            return kind, f"'{kind}' is listed {count} times"
    for pair, reason in REFUSED.items():
        if pair <= set(kinds):
            first, second = sorted(pair, key=kinds.index)
            return second, f"'{first}' and '{second}' cannot be combined: {reason}"
    for strategy in strategies:
        reason_of_head = _unfit(strategy, head)
        if reason_of_head is not None:
            return strategy.kind, reason_of_head
    return None


def _unfit(strategy: AnyStrategy, head: AnyHead) -> str | None:
    need, lack = NEEDS.get(strategy.kind, (None, ""))
    if need is not None and need not in head.offers:
        heads = [kind for kind, config in HEAD_CONFIGS.items() if need in config.offers]
        return f"'{strategy.kind}' does not work with the head '{head.kind}': {lack}; it works with {', '.join(heads)}"
    if getattr(head, "crf", False) and strategy.kind in ("class_weights", "focal_loss", "label_smoothing"):
        return f"'{strategy.kind}' does not work with a CRF, whose loss is per sentence"
    return None
