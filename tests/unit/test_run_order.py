"""Runs are begun so that slots end together, and arms grow together as long as that costs no time."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Sequence

import pytest

from bertft_core.planning.run_order import SLACK, balanced, calculated_seconds
from bertft_core.planning.run_specs import plan_runs
from bertft_core.records import RunSpec
from tests.helpers.small_records import make_card, make_study
from tests.helpers.tiny_studies import tiny_study

TWO_ARMS = {"short": {}, "long": {"learning_rate": 1e-5}}


def planned(folder, n_seeds: int, arms: dict | None = None) -> list[RunSpec]:
    return plan_runs(make_study(arms=arms or TWO_ARMS, seeds={"n": n_seeds}), make_card(folder), {})


def seconds_of(**of_arm: float):
    return lambda spec: of_arm[spec.arm]


def ends(order: Sequence[RunSpec], seconds, n_slots: int) -> float:
    slots = [0.0] * n_slots
    for spec in order:
        heapq.heapreplace(slots, slots[0] + seconds(spec))
    return max(slots)


def test_the_longest_are_not_left_for_the_end(tmp_path):
    specs, seconds = planned(tmp_path, 5), seconds_of(short=1.0, long=5.0)
    order = balanced(specs, seconds, 2)
    assert (ends(specs, seconds, 2), ends(order, seconds, 2)) == (17.0, 15.0)
    assert sorted(spec.digest for spec in order) == sorted(spec.digest for spec in specs)


@pytest.mark.parametrize(("n_slots", "short", "long"), [*itertools.product((2, 3, 4), (1.0, 3.0), (4.0, 7.0))])
def test_a_study_ends_as_with_the_longest_first(tmp_path, n_slots, short, long):
    specs, seconds = planned(tmp_path, 40), seconds_of(short=short, long=long)
    order = balanced(specs, seconds, n_slots)
    longest_first = sorted(specs, key=lambda spec: -seconds(spec))
    assert ends(order, seconds, n_slots) <= SLACK * ends(longest_first, seconds, n_slots)


def test_arms_grow_together_until_the_last_seeds(tmp_path):
    specs = planned(tmp_path, 40)
    assert balanced(specs, seconds_of(short=1.0, long=5.0), 2)[:40] == specs[:40]


def test_runs_of_one_length_and_runs_one_after_the_other_stay_as_planned(tmp_path):
    specs = planned(tmp_path, 5)
    assert balanced(specs, seconds_of(short=2.0, long=2.0), 2) == specs
    assert balanced(specs, seconds_of(short=1.0, long=5.0), 1) == specs
    assert balanced([], seconds_of(), 2) == []


def test_more_epochs_take_longer_and_a_frozen_encoder_less(tmp_path):
    arms = {"full": {}, "twice": {"epochs": 6}, "features": {"strategies": [{"kind": "feature_extraction"}]}}
    study, card = tiny_study(tmp_path, arms=arms)
    seconds = calculated_seconds(card)
    full, twice, features = (seconds(spec) for spec in plan_runs(study, card, {})[:3])
    assert features < full < twice
