"""A run's identity: what decides its result is in the digest, names and places are not."""

from __future__ import annotations

import pytest

from bertft_core.records import RunSpec
from bertft_core.records.run_spec import LEFT_OUT_OF_DIGEST
from tests.helpers.small_records import make_card, make_spec, make_study

ELSEWHERE = {
    "study": "other",
    "arm": "other",
    "stage": "search",
    "index": 7,
    "split": 2,
    "trial": 3,
    "prepared_dir": "/other",
    "encoder_dir": "/other",
    "device": "cuda",
    "checkpoint_every_seconds": 1.0,
    "checkpoint_every_steps": 5,
    "watch_gradients": 3,
    "prune_below": {0: 0.5},
    "stop_at": 0.5,
    "kept_of": 8,
    "keep_model": False,
}


@pytest.fixture
def spec(tmp_path) -> RunSpec:
    return make_spec(make_study(), make_card(tmp_path))


def test_a_copy_with_other_values_has_its_own_digests(spec):
    assert spec.digest != spec.setting_digest  # both are computed before the copy
    other = spec.model_copy(update={"seeds": spec.seeds.model_copy(update={"init": 1})})
    assert other.digest == RunSpec.model_validate(other.model_dump()).digest != spec.digest
    assert other.setting_digest == spec.setting_digest
    assert spec.model_copy(update={"threads": 2}).setting_digest != spec.setting_digest


def test_names_and_places_do_not_change_the_digest(spec):
    assert ELSEWHERE.keys() == LEFT_OUT_OF_DIGEST
    for name, value in ELSEWHERE.items():
        other = RunSpec.model_validate({**spec.model_dump(), name: value})
        assert getattr(other, name) != getattr(spec, name)
        assert other.digest == spec.digest, name


def test_a_spec_is_the_same_after_a_trip_through_json(spec):
    again = RunSpec.model_validate_json(spec.model_dump_json())
    assert again == spec
    assert again.digest == spec.digest
