"""Which metrics are shares, so that their differences are written in points (hundredths)."""

SHARES = frozenset({"accuracy", "accuracy_and_f1", "ece", "precision", "recall", "hamming_loss", "average_precision_macro"})


def is_share(metric: str) -> bool:
    """Whether a metric lies between 0 and 1 and is read in percent; every F1 and exact match is."""
    return metric in SHARES or "f1" in metric.split("/")[0] or metric.endswith("exact")
