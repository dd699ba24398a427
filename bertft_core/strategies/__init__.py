"""Ways of fine-tuning: one file each, chosen by `kind` and applied in the order of `KINDS`, whatever the order in the arm.

Each module is a `Strategy`: its `apply` changes what it names in the `FinetuningPlan` and nothing else.
"""

from bertft_core.strategies import (
    bitfit,
    class_weights,
    early_stopping,
    feature_extraction,
    focal_loss,
    freezing,
    full,
    gradual_unfreezing,
    label_smoothing,
    legacy_adam,
    llrd,
    lora,
    mixout,
    oversampling,
    prior_decay,
    reinit,
    replay,
    stratified_batches,
    swa,
)
from bertft_core.strategies.plan import Strategy

STRATEGIES: dict[str, Strategy] = {
    "full": full,
    "feature_extraction": feature_extraction,
    "bitfit": bitfit,
    "lora": lora,
    "freezing": freezing,
    "reinit": reinit,
    "llrd": llrd,
    "gradual_unfreezing": gradual_unfreezing,
    "mixout": mixout,
    "prior_decay": prior_decay,
    "legacy_adam": legacy_adam,
    "early_stopping": early_stopping,
    "class_weights": class_weights,
    "oversampling": oversampling,
    "stratified_batches": stratified_batches,
    "focal_loss": focal_loss,
    "label_smoothing": label_smoothing,
    "replay": replay,
    "swa": swa,
}
"""Kind of the strategy → its module."""
