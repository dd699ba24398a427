"""Which examples each step sees, and when the model is validated."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from bertft_core.config.training_settings import TrainingConfig, merge_training
from bertft_core.training.step_plan import StepPlan


def plan_of(n_examples: int = 24, order_seed: int = 3, **training) -> StepPlan:
    return StepPlan(n_examples, merge_training(TrainingConfig(batch_size=5, epochs=2), training), order_seed)


@pytest.mark.parametrize(
    ("n_examples", "training", "per_epoch", "n_steps"),
    [
        (24, {}, 5, 10),
        (25, {}, 5, 10),
        (26, {}, 6, 12),
        (24, {"epochs": 0.5}, 5, 3),
        (24, {"epochs": 0.2}, 5, 1),
        (24, {"epochs": 0.001}, 5, 1),
        (24, {"epochs": 1.5}, 5, 8),
        (10, {"epochs": 0.1 + 0.2, "batch_size": 1}, 10, 3),  # 0.1 + 0.2 is a little more than 0.3
        (24, {"max_steps": 7}, 5, 7),
        (24, {"max_steps": 1}, 5, 1),
        (3, {"batch_size": 100}, 1, 2),
    ],
)
def test_the_number_of_steps(n_examples, training, per_epoch, n_steps):
    plan = plan_of(n_examples, **training)
    assert (plan.steps_per_epoch, plan.n_steps) == (per_epoch, n_steps)


@pytest.mark.parametrize(
    ("training", "expected"),
    [
        ({}, (5, 10)),
        ({"evaluate_every_epochs": 0.5}, (2, 5, 8, 10)),
        ({"evaluate_every_epochs": 3}, (10,)),
        ({"evaluate_every_epochs": 1, "epochs": 1.5}, (5, 8)),
        ({"evaluate_every_epochs": 0.01, "epochs": 1}, (1, 2, 3, 4, 5)),
        ({"evaluate_every_steps": 3}, (3, 6, 9, 10)),
        ({"evaluate_every_steps": 1, "max_steps": 4}, (1, 2, 3, 4)),
        ({"evaluate_every_steps": 100}, (10,)),
        ({"evaluate_every_epochs": None}, (10,)),
    ],
)
def test_the_steps_after_which_the_model_is_validated(training, expected):
    assert plan_of(**training).evaluation_steps == expected


def test_every_example_is_seen_once_per_epoch_and_the_last_batch_is_short():
    plan = plan_of()
    orders = []
    for epoch in range(2):
        batches = [plan.indices(5 * epoch + place).tolist() for place in range(5)]
        assert [len(batch) for batch in batches] == [5, 5, 5, 5, 4]
        orders.append([i for batch in batches for i in batch])
        assert sorted(orders[-1]) == list(range(24))
    assert orders[0] != orders[1], "each epoch has its own order"


def test_a_step_is_the_same_whenever_it_is_asked_for():
    forwards = [plan.indices(step).tolist() for plan in [plan_of()] for step in range(10)]
    backwards = [plan.indices(step).tolist() for plan in [plan_of()] for step in reversed(range(10))]
    assert forwards == backwards[::-1]
    assert plan_of(evaluate_every_steps=1).indices(7).tolist() == forwards[7]
    assert plan_of(epochs=50).indices(7).tolist() == forwards[7], "the plan's length does not change its beginning"


def test_another_seed_gives_another_order():
    assert plan_of().indices(0).tolist() != plan_of(order_seed=4).indices(0).tolist()


@pytest.mark.parametrize(("size", "sizes"), [(None, [5]), (5, [5]), (2, [2, 2, 1]), (1, [1] * 5), (4, [4, 1])])
def test_micro_batches_are_the_pieces_of_a_step_in_order(size, sizes):
    plan = plan_of(micro_batch_size=size)
    pieces = plan.micro_batches(3)
    assert [len(piece) for piece in pieces] == sizes
    assert [i for piece in pieces for i in piece] == plan.indices(3).tolist()
    assert sum(len(piece) for piece in plan.micro_batches(4)) == 4


def test_epochs_count_steps_of_the_last_short_batch_as_whole_ones():
    plan = plan_of()
    assert [plan.epoch(step) for step in (1, 5, 10)] == [0.2, 1.0, 2.0]


def test_the_order_of_every_epoch_that_was_begun_has_its_hash():
    made = plan_of(n_examples=12)  # 3 steps an epoch
    assert [len(made.order_digests(n)) for n in (0, 1, 3, 4, 6)] == [0, 1, 1, 2, 2]
    first, second = made.order_digests(6)
    assert first != second
    order = np.concatenate([made.indices(step) for step in range(3)])
    assert first == hashlib.sha256(order.astype("<i8").tobytes()).hexdigest()
    assert plan_of(n_examples=12).order_digests(6) == (first, second)
    assert plan_of(n_examples=12, order_seed=9).order_digests(6)[0] != first
