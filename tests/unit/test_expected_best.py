"""The best of n trials against reference numbers and by trying every choice."""

from itertools import combinations, product

import numpy as np
import pytest

from bertft_core.statistics.expected_best import trials_to_exceed, with_replacement, without_replacement

TWENTY = [0.8, 0.75, 0.9, 0.24, 0.45, 0.6, 0.65, 0.67, 0.49, 0.49, 0.59, 0.52, 0.78, 0.84, 0.63, 0.42, 0.85, 0.76, 0.68, 0.6]
AT = [0, 1, 4, 9, 19]


def test_twenty_values_give_the_reference_numbers():
    v, u = with_replacement(TWENTY), without_replacement(TWENTY)
    assert v.mean[AT] == pytest.approx([0.6355, 0.727575, 0.8133373469, 0.8540611815, 0.8789943646], abs=1e-10)
    assert v.sd[AT] == pytest.approx([0.1635993582, 0.121958474, 0.0757016865, 0.0478943696, 0.0301867275], abs=1e-9)
    assert u.mean[AT] == pytest.approx([0.6355, 0.7324210526, 0.8226799536, 0.8670616922, 0.9], abs=1e-10)
    assert u.sd[AT] == pytest.approx([0.1635993582, 0.1173812124, 0.0684295812, 0.0378490546, 0], abs=1e-7)


def test_three_values_give_the_reference_numbers():
    assert with_replacement([1, 2, 4]).mean == pytest.approx([7 / 3, 3, 3.3703703704])
    assert without_replacement([1, 2, 4]).mean == pytest.approx([7 / 3, 10 / 3, 4])


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_both_are_the_mean_over_every_choice(n):
    values = [3.0, 1.0, 4.0, 1.0, 5.0]
    drawn = [max(choice) for choice in product(values, repeat=n)]
    chosen = [max(choice) for choice in combinations(values, n)]
    assert with_replacement(values).mean[n - 1] == pytest.approx(np.mean(drawn))
    assert with_replacement(values).sd[n - 1] == pytest.approx(np.std(drawn))
    assert without_replacement(values).mean[n - 1] == pytest.approx(np.mean(chosen))
    assert without_replacement(values).sd[n - 1] == pytest.approx(np.std(chosen), abs=1e-7)


def test_many_values_stay_finite_and_rise():
    u = without_replacement(np.random.default_rng(0).normal(size=600))
    assert np.isfinite(u.mean).all()
    assert (np.diff(u.mean) >= -1e-9).all()


def test_trials_to_exceed_a_value_follow_its_share():
    assert trials_to_exceed([0.1, 0.2, 0.3, 0.4], 0.2, 0.75) == 2
    assert trials_to_exceed([0.1, 0.2, 0.3, 0.4], 0.3, 0.95) == 11
    assert trials_to_exceed([0.1, 0.2], 0.0) == 1
    assert trials_to_exceed([0.1, 0.2], 0.2) is None


def test_no_values_are_refused():
    for estimate in (with_replacement, without_replacement):
        with pytest.raises(ValueError, match="no values"):
            estimate([])
