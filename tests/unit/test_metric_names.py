"""Metrics have names in print, which tell those of one task apart."""

from __future__ import annotations

import pytest

from bertft_core.config import head_settings
from bertft_core.report.prose.metric_names import NAMES, in_print

HEADS = [
    kind for kind in vars(head_settings).values() if isinstance(kind, type) and isinstance(getattr(kind, "metrics", None), dict)
]
"""Settings of heads, each of which has the metrics of its task."""


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("accuracy", "accuracy"),
        ("f1", "F1"),
        ("strict_f1", "strict F1"),
        ("f1_macro", "macro F1"),
        ("log_loss", "log loss"),
        ("recall/B_x", "recall, B_x"),
        ("f1_binary/a/b", "F1, a/b"),
    ],
)
def test_a_metric_is_printed_in_words_and_a_label_as_it_is(metric, words):
    assert in_print(metric) == words


def test_no_name_in_print_is_an_identifier_and_those_of_a_task_differ():
    assert len(HEADS) >= 6
    for kind in HEADS:
        names = [in_print(metric) for metric in kind.metrics]
        assert len(set(names)) == len(names)
        assert not any("_" in name for name in names)
    assert not any("_" in name for name in NAMES.values())
