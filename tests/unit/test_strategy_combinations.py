"""Strategies that make no sense together, or with a head, are refused at their place with a reason."""

from __future__ import annotations

import itertools

import pytest

from bertft_core.config import UserError, parse_study
from bertft_core.config.head_settings import HEAD_CONFIGS
from bertft_core.config.strategy_combinations import NEEDS, REFUSED
from bertft_core.config.strategy_settings import KINDS
from tests.helpers.every_strategy import SETTINGS


def study(*strategies, head="classification"):
    values = {
        "name": "s",
        "data": {"source": "bundled", "name": "reviews"},
        "head": head,
        "arms": {"odd": {"strategies": list(strategies)}},
    }
    return parse_study(values)


def refusal(*strategies, head="classification") -> UserError:
    with pytest.raises(UserError) as caught:
        study(*strategies, head=head)
    assert caught.value.problem.startswith("arms.odd.strategies: ")
    assert caught.value.hint.startswith("remove '")
    return caught.value


@pytest.mark.parametrize("pair", sorted(map(tuple, map(sorted, REFUSED))))
def test_pairs_that_contradict_each_other_are_refused(pair):
    for one, other in itertools.permutations(pair):
        error = refusal(SETTINGS[one], SETTINGS[other])
        assert REFUSED[frozenset(pair)] in error.problem


def test_all_other_pairs_are_taken():
    taken = 0
    for pair in itertools.combinations(KINDS, 2):
        if frozenset(pair) not in REFUSED:
            assert {strategy.kind for strategy in study(*(SETTINGS[kind] for kind in pair)).arms["odd"].strategies} == set(pair)
            taken += 1
    assert taken == len(KINDS) * (len(KINDS) - 1) / 2 - len(REFUSED) > 100


@pytest.mark.parametrize("kind", KINDS)
def test_no_strategy_is_there_twice(kind):
    assert "is listed 2 times" in refusal(SETTINGS[kind], SETTINGS[kind]).problem


@pytest.mark.parametrize(
    ("kind", "head"), [(k, h) for k, (need, _) in NEEDS.items() for h in HEAD_CONFIGS if need not in HEAD_CONFIGS[h].offers]
)
def test_a_head_that_lacks_what_a_strategy_needs_is_refused(kind, head):
    error = refusal(SETTINGS[kind], head=head)
    assert f"'{kind}'" in error.problem
    assert f"'{head}'" in error.problem


@pytest.mark.parametrize("kind", ["class_weights", "focal_loss", "label_smoothing"])
def test_a_crf_has_no_loss_of_single_words_to_shape(kind):
    assert "CRF" in refusal(SETTINGS[kind], head={"kind": "token_classification", "crf": True}).problem


def test_early_stopping_watches_a_metric_of_the_head():
    with pytest.raises(UserError) as caught:
        study({"kind": "early_stopping", "patience": 1, "metric": "pearson"})
    assert caught.value.problem.startswith("arms.odd.strategies[0].metric: 'pearson' is not a metric")
    assert "log_loss" in caught.value.problem
    study({"kind": "early_stopping", "patience": 1, "metric": "log_loss"})


@pytest.mark.parametrize("pace", [{"every_epochs": 1, "every_steps": 2}, {"every_epochs": None}])
def test_gradual_unfreezing_counts_in_epochs_or_in_steps(pace):
    with pytest.raises(UserError, match="give either every_epochs or every_steps"):
        study({"kind": "gradual_unfreezing"} | pace)
