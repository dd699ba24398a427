"""How the paper text says what was searched, by which sampler, and which trials were given."""

from __future__ import annotations

from typing import get_args

import pytest

from bertft_core.config.sampler_spaces import Sampler
from bertft_core.config.search_settings import SearchConfig
from bertft_core.report.prose import paper_settings

SPACE = {"weight_decay": {"low": 0.0, "high": 0.3, "step": 0.1}}
WORDS: dict[str, str] = {
    "tpe": "the tree-structured Parzen estimator",
    "random": "random search",
    "grid": "grid search",
    "qmc": "a scrambled Sobol sequence",
    "gp": "Bayesian optimization with a Gaussian process",
    "cmaes": "CMA-ES",
}


@pytest.mark.parametrize("sampler", get_args(Sampler))
def test_every_sampler_has_its_name(sampler):
    text = paper_settings.search("full", SearchConfig(space=SPACE, sampler=sampler, n_trials=4))
    assert f"we searched weight decay in [0, 0.3] (steps of 0.1) by {WORDS[sampler]} (Optuna) in 4 trials, stopping" in text


def test_options_of_tpe_are_named():
    def by(**options):
        return paper_settings.search("full", SearchConfig(space=SPACE, **options))

    assert "by the univariate tree-structured Parzen estimator (Optuna)" in by(multivariate=False)
    assert "by the tree-structured Parzen estimator with grouped settings (Optuna)" in by(group=True)


def test_trials_that_were_given_are_counted():
    def given(n):
        values = [{"weight_decay": round(0.1 * i, 1)} for i in range(n)]
        return paper_settings.search("full", SearchConfig(space=SPACE, enqueue=values, pruner="none"))

    assert "in 8 trials; the best" in given(0)
    assert "in 8 trials, the first of which we gave; the best" in given(1)
    assert "in 8 trials, the first 3 of which we gave; the best" in given(3)
