"""A boolean is never read as a number, wherever a config has one; pydantic would read `true` as 1."""

from __future__ import annotations

import pytest

from bertft_core.config import UserError, parse_study

DATA = {"source": "bundled", "name": "reviews", "max_length": 32}


def study(place: str, value: object) -> dict:
    """A valid study with one value changed."""
    values: dict = {"name": "s", "data": dict(DATA), "training": {"max_steps": 2}, "arms": {"full": {}}, "seeds": {"n": 2}}
    *path, last = place.split(".")
    section = values
    for key in path:
        section = section.setdefault(key, {})
    section[last] = value
    return values


@pytest.mark.parametrize(
    "place",
    [
        "seed",
        "seeds.n",
        "seeds.first",
        "training.max_steps",
        "training.learning_rate",
        "training.batch_size",
        "data.max_length",
        "data.split.validation_ratio",
        "arms.full.batch_size",
        "arms.full.learning_rate",
    ],
)
@pytest.mark.parametrize("value", [True, False])
def test_a_boolean_is_no_number(place, value):
    with pytest.raises(UserError) as caught:
        parse_study(study(place, value))
    assert caught.value.code == "config.wrong-type"
    assert str(value) in caught.value.found
    assert place in str(caught.value)


@pytest.mark.parametrize(("place", "value"), [("seeds.n", 3.0), ("training.learning_rate", 1), ("training.max_steps", 4.0)])
def test_whole_numbers_may_be_written_as_decimals_and_the_other_way_round(place, value):
    section, key = place.split(".")
    assert getattr(getattr(parse_study(study(place, value)), section), key) == value


@pytest.mark.parametrize("value", [True, False])
def test_a_boolean_is_no_number_inside_a_mapping(value):
    strategies = [{"kind": "class_weights", "weights": {"a": value, "b": 1.0}}]
    with pytest.raises(UserError, match=r"arms\.full\.strategies\[0\]\.weights"):
        parse_study(study("arms.full.strategies", strategies))
