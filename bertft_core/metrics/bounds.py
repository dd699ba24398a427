"""Between which values a metric lies, whatever the predictions."""

import math

Bounds = tuple[float, float]

SHARE: Bounds = (0.0, 1.0)
UNBOUNDED: Bounds = (-math.inf, math.inf)
SHARES = frozenset({"accuracy", "accuracy_and_f1", "ece", "precision", "recall", "hamming_loss", "average_precision_macro"})
OTHERS: dict[str, Bounds] = {
    "mcc": (-1.0, 1.0),
    "pearson": (-1.0, 1.0),
    "spearman": (-1.0, 1.0),
    "pearson_and_spearman": (-1.0, 1.0),
    "r2": (-math.inf, 1.0),
    "log_loss": (0.0, math.inf),
    "loss": (0.0, math.inf),
    "bits_per_piece": (0.0, math.inf),
    "perplexity": (1.0, math.inf),
    "mse": (0.0, math.inf),
    "rmse": (0.0, math.inf),
    "mae": (0.0, math.inf),
    "null_threshold": UNBOUNDED,
}
"""Metrics that are no shares."""


def bounds_of(metric: str) -> Bounds:
    """The lowest and the highest value of a metric such as `f1` or `recall/PER`; infinite for one that is not known."""
    return SHARE if is_share(metric) else OTHERS.get(metric, UNBOUNDED)


def is_share(metric: str) -> bool:
    """Whether a metric lies between 0 and 1, so that differences of it are given in points (hundredths)."""
    name = metric.split("/")[0].removeprefix("strict_")
    return name in SHARES or "f1" in name or name.endswith("exact")
