"""What strategies may know of a run before its first step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from bertft_core.data.alignment import ALIGNMENTS
from bertft_core.data.prepared_split import PreparedSplit
from bertft_core.metrics.prediction_columns import list_lengths
from bertft_core.records import RunSpec
from bertft_core.strategies.plan import TrainContext
from bertft_core.training.optimizer import decayed_names
from bertft_core.training.step_plan import StepPlan


class Classes(NamedTuple):
    """Labels of the training set."""

    label_counts: np.ndarray | None = None
    """[labels]"""
    classes: np.ndarray | None = None
    """[n]"""
    n_targets_per_label: int = 0


def _of_labels(split: PreparedSplit, n_labels: int) -> Classes:
    return Classes(np.bincount(split.labels, minlength=n_labels), split.labels.astype(np.int64))


def _of_label_sets(split: PreparedSplit, n_labels: int) -> Classes:
    """The class of an example is its set of labels."""
    matrix = split.matrix("label")
    _, classes = np.unique(matrix, axis=0, return_inverse=True)
    return Classes(matrix.sum(axis=0).astype(np.int64), classes.ravel().astype(np.int64), split.n)


def _of_words(split: PreparedSplit, n_labels: int) -> Classes:
    tags = np.concatenate([split.ragged("tags", i) for i in range(split.n)])
    return Classes(np.bincount(tags, minlength=n_labels))


def _of_questions(split: PreparedSplit, n_labels: int) -> Classes:
    """The class of a question is whether it has an answer."""
    answers = ALIGNMENTS["question_answering"].gold(split)["answers"].combine_chunks()
    return Classes(classes=(list_lengths(answers) > 0).astype(np.int64))


CLASSES: dict[str, Callable[[PreparedSplit, int], Classes]] = {
    "classification": _of_labels,
    "multi_label": _of_label_sets,
    "token_classification": _of_words,
    "question_answering": _of_questions,
}
"""Kind of the head → the classes of its training set; other heads have none."""


def train_context_of(spec: RunSpec, train: PreparedSplit, model: Any) -> TrainContext:
    """The facts of a run, but for the length of an epoch, which a strategy may change."""
    kind = spec.head.kind
    found = CLASSES[kind](train, len(spec.labels)) if kind in CLASSES else Classes()
    return TrainContext(
        init_seed=spec.seeds.init,
        steps_per_epoch=StepPlan(train.n, spec.training, spec.seeds.order).steps_per_epoch,
        weight_decayed=frozenset(decayed_names(model)),
        fresh_head=kind != "masked_lm",
        labels=spec.labels,
        label_counts=found.label_counts,
        n_targets_per_label=found.n_targets_per_label,
        classes=found.classes,
    )
