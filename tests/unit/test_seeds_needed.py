"""Numbers of seeds against reference values, and against the tests they are for."""

import math

import pytest

from bertft_core.statistics.seeds_needed import (
    MOST,
    detectable_effect,
    half_width,
    power,
    seeds_for_half_width,
    seeds_for_power,
    seeds_for_winning,
)


@pytest.mark.parametrize(("gamma", "n"), [(0.6, 180.4), (0.7, 45.1), (0.75, 28.86), (0.8, 20.0)])
def test_pairs_for_a_sure_winner_are_the_reference_numbers(gamma, n):
    assert seeds_for_winning(gamma) == pytest.approx(n, abs=0.06)


def test_at_three_quarters_it_is_twenty_nine_and_one_half_is_refused():
    assert math.ceil(seeds_for_winning()) == 29
    with pytest.raises(ValueError, match="one half"):
        seeds_for_winning(0.5)


@pytest.mark.parametrize(("effect", "n"), [(0.5, 64), (0.8, 26), (1.0, 17), (1.5, 9), (2.0, 6)])
def test_seeds_of_two_arms_for_a_power_of_eighty_percent_are_the_reference_numbers(effect, n):
    assert seeds_for_power(effect, paired=False) == n
    assert power(n - 1, effect, paired=False) < 0.8 <= power(n, effect, paired=False)


@pytest.mark.parametrize(("n", "effect"), [(3, 3.071), (5, 2.024), (10, 1.325), (20, 0.909), (25, 0.809)])
def test_the_smallest_effect_that_can_be_found_is_the_reference_number(n, effect):
    assert detectable_effect(n, paired=False) == pytest.approx(effect, abs=5e-4)


def test_pairs_need_fewer_than_two_arms_at_the_same_effect():
    assert seeds_for_power(1.0, paired=True) == 10
    assert power(10, 1.0, paired=True) == pytest.approx(0.8031, abs=1e-3)
    assert power(7, 0.0, paired=True) == pytest.approx(0.05)
    assert power(7, -1.2, paired=True) == power(7, 1.2, paired=True)
    assert detectable_effect(10, paired=True) == pytest.approx(0.9958, abs=1e-3)


def test_the_half_width_of_five_scores_is_the_reference_number():
    assert half_width(5, 0.0230217) == pytest.approx(0.0285853, abs=1e-6)
    assert seeds_for_half_width(0.0230217, 0.0285854) == 5
    assert seeds_for_half_width(0.0230217, 0.0285852) == 6


@pytest.mark.parametrize("wanted", [1e-3, 0.004, 0.01, 0.5])
def test_one_seed_less_would_be_too_wide(wanted):
    n = seeds_for_half_width(0.02, wanted)
    assert half_width(n, 0.02) <= wanted
    assert n == 2 or half_width(n - 1, 0.02) > wanted


def test_what_cannot_be_reached_is_none_and_what_makes_no_sense_is_refused():
    assert seeds_for_half_width(1.0, 1e-6) is None
    assert seeds_for_power(1e-6, paired=True) is None
    assert seeds_for_power(0.0, paired=True) is None
    assert seeds_for_half_width(0.0, 0.1) == 2
    assert MOST > 1e6
    with pytest.raises(ValueError, match="positive"):
        seeds_for_half_width(1.0, 0.0)


def test_large_effects_have_a_power_of_one():
    assert power(2, 1e6, paired=True) == 1.0
    assert seeds_for_power(500.0, paired=False) == 2
