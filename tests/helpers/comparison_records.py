"""A comparison of three arms with made-up numbers, for tests of its pages and tables."""

from __future__ import annotations

from typing import Any

from bertft_core.records.compared_arm_record import ComparedArmRecord
from bertft_core.records.comparison_record import (
    AlmostStochasticOrder,
    Comparison,
    ComparisonNote,
    Disagreement,
    IntervalEstimate,
    NamedTest,
    PairComparison,
    ResampledDifference,
    WithoutCollapsed,
)

KEY = "best/test/accuracy"
SCORES = {
    "features": (0.70, 0.72, 0.71, 0.69, 0.73),
    "full": (0.84, 0.86, 0.85, 0.80, 0.88),
    "llrd_0.9": (0.83, 0.87, 0.85, 0.84, 0.86),
}
CLAIMED = {("full", "features"): 0.0004, ("llrd_0.9", "features"): 0.0008, ("llrd_0.9", "full"): 0.61}


def make_arm(name: str, seeds: tuple[float, ...], **changes: Any) -> ComparedArmRecord:
    """An arm whose seeds have these accuracies; its log-loss is what is missing to 1."""
    values: dict[str, Any] = {
        "name": name,
        "study": "small",
        "arm": name,
        "n_seeds": len(seeds),
        "counts": {"ok": len(seeds)},
        "seeds": tuple(range(len(seeds))),
        "scores": {
            KEY: dict(enumerate(seeds)),
            "best/test/log_loss": {i: round(1 - score, 6) for i, score in enumerate(seeds)},
            "final/test/accuracy": dict(enumerate(seeds)),
        },
        "data_fingerprint": "f" * 64,
    }
    return ComparedArmRecord(**values | changes)


def make_pair(arm: str, baseline: str, p: float, metric: str = "accuracy", **changes: Any) -> PairComparison:
    """Arm against baseline: claimed where Holm's p is at most 0.05."""
    mean_arm, mean_baseline = (sum(SCORES[name]) / len(SCORES[name]) for name in (arm, baseline))
    up = metric == "accuracy"
    difference = (mean_arm - mean_baseline) * (1 if up else -1)
    values: dict[str, Any] = {
        "checkpoint": "best",
        "split": "test",
        "metric": metric,
        "direction": "maximize" if up else "minimize",
        "arm": arm,
        "baseline": baseline,
        "paired": True,
        "n_shared_seeds": 5,
        "n_seeds_arm": 5,
        "n_seeds_baseline": 5,
        "n_examples": 1234,
        "unit": "example",
        "mean_arm": mean_arm if up else 1 - mean_arm,
        "mean_baseline": mean_baseline if up else 1 - mean_baseline,
        "difference": difference,
        "both": ResampledDifference(low=difference - 0.04, high=difference + 0.04, p=p),
        "seeds": ResampledDifference(low=difference - 0.03, high=difference + 0.03, p=p),
        "examples": ResampledDifference(low=difference - 0.015, high=difference + 0.015, p=p),
        "source": "seeds",
        "seeds_share": 0.8,
        "superiority": IntervalEstimate(
            value=1.0 if p < 0.05 else 0.54, low=0.62 if p < 0.05 else 0.2, high=1.0 if p < 0.05 else 0.83
        ),
        "aso": AlmostStochasticOrder(eps_min=0.03, tau=0.2, confidence=0.983),
        "tests": (NamedTest(name="paired t", statistic=5.1, p=p), NamedTest(name="exact permutation", statistic=None, p=0.0625)),
        "stability": (NamedTest(name="Brown-Forsythe", statistic=0.4, p=0.55),),
        "sd_ratio": IntervalEstimate(value=1.8, low=0.6, high=5.2),
        "disagreement": Disagreement(
            both_right=800.0, only_arm=210.2, only_baseline=33.4, both_wrong=190.4, statistic=9.9, p=0.0016
        ),
        "effects": {"cohens_d": 4.9, "cliffs_delta": 1.0},
        "p_value": p / 3,
        "p_of": "both",
        "p_holm": p,
        "claimed": p <= 0.05,
    }
    return PairComparison(**values | changes)


def make_comparison(**changes: Any) -> Comparison:
    """Two arms that are better than the baseline, and an inconclusive difference between the two; accuracy and log-loss."""
    arms = tuple(make_arm(name, scores) for name, scores in SCORES.items())
    second = WithoutCollapsed(n_seeds_arm=4, n_seeds_baseline=5, difference=0.147, both=None)
    pairs = [make_pair(a, b, p) for (a, b), p in CLAIMED.items()]
    pairs[0] = pairs[0].model_copy(update={"without_collapsed": second})
    pairs += [make_pair(a, b, 2 * p, "log_loss") for (a, b), p in CLAIMED.items()]
    values: dict[str, Any] = {
        "title": "small",
        "studies": ("small",),
        "level": 0.95,
        "n_resamples": 10_000,
        "headline_metric": "accuracy",
        "headline_split": "test",
        "headline_checkpoint": "best",
        "headline_direction": "maximize",
        "arms": arms,
        "pairs": tuple(pairs),
        "n_tests": len(pairs),
        "notes": (ComparisonNote(kind="metric_not_resampled", metric="ece"),),
    }
    return Comparison(**values | changes)
