"""Every metric of every head lies within its bounds, and has some."""

from __future__ import annotations

import numpy as np
import pytest

from bertft_core.metrics import METRICS
from bertft_core.metrics.bounds import OTHERS, UNBOUNDED, bounds_of
from tests.helpers.prediction_tables import EVERY_KIND


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_every_metric_has_bounds_and_keeps_them(kind):
    head, labels, make = EVERY_KIND[kind]
    for seed in range(5):
        scores = METRICS[head].compute(make(np.random.default_rng(seed), 40), labels)
        for metric, value in scores.items():
            low, high = bounds_of(metric)
            assert low - 1e-12 <= value <= high + 1e-12, metric
            assert metric in OTHERS or (low, high) != UNBOUNDED, metric


def test_a_metric_of_one_label_has_the_bounds_of_its_kind():
    assert bounds_of("recall/PER") == bounds_of("f1/a/b") == (0.0, 1.0)
    assert bounds_of("of another version") == UNBOUNDED
