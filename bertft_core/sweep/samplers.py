"""Optuna's samplers: each is made anew for every trial, so that what a trial samples depends on its number and those before.

A seed of the trial's own moves those that draw anew each time (TPE, random, GP, CMA-ES). A grid and a QMC sequence are the same
list of settings for all trials of a search, so their seed is the search's.

QMC and CMA-ES keep notes in the trials or the study, such as the place in the sequence or the pickled state of the optimizer.
The journal has no notes: nothing in it is ever unpickled. They are made again by asking for the earlier trials again, in memory.
"""

import statistics
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from bertft_core.config.sampler_spaces import Sampler
from bertft_core.config.search_settings import SearchConfig
from bertft_core.config.search_space import ends, listed_values
from bertft_core.seeds import derive_seed
from bertft_core.sweep.trial_journal import scores_of, suggest

InMemory = Callable[[Sequence[FrozenTrial]], optuna.Study]


def study_to_ask(config: SearchConfig, search_seed: int, earlier: Sequence[FrozenTrial], in_memory: InMemory) -> optuna.Study:
    """A study in memory from which to ask for the trial after the `earlier` ones, its sampler set."""
    if config.sampler in OF_COMPLETE:
        earlier = [_scored(trial) for trial in earlier]
    study = _asked_again(config, search_seed, earlier, in_memory([])) if config.sampler in REPLAYED else in_memory(earlier)
    study.sampler = _sampler(config, search_seed, len(earlier))
    return study


def _scored(trial: FrozenTrial) -> FrozenTrial:
    """A pruned trial as a complete one with the score that it had reached: it tells where not to search."""
    scores = scores_of(trial)
    if trial.state != TrialState.PRUNED or not scores:
        return trial
    return optuna.trial.create_trial(value=statistics.fmean(scores), params=trial.params, distributions=trial.distributions)


def _asked_again(config: SearchConfig, search_seed: int, earlier: Sequence[FrozenTrial], study: optuna.Study) -> optuna.Study:
    """The study with all of a sampler's notes: each trial is asked for when those of earlier batches alone have ended."""
    size = config.trials_per_batch
    for number, trial in enumerate(earlier):
        study.sampler = _sampler(config, search_seed, number)
        study.enqueue_trial(trial.params)
        asked = study.ask()
        _ = asked.relative_params  # the sampler takes its notes here; what it sampled, or what was enqueued, is in the trial
        suggest(asked, config.space)
        if (number + 1) % size == 0:
            for place, ended in enumerate(earlier[number + 1 - size : number + 1], start=number + 1 - size):
                study.tell(place, ended.value if ended.state == TrialState.COMPLETE else None, state=ended.state)
    return study


def _sampler(config: SearchConfig, search_seed: int, number: int) -> BaseSampler:
    """The sampler of one trial."""
    seeds = derive_seed(search_seed, "trial", number) % 2**32, derive_seed(search_seed, "trial", "all") % 2**32
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return SAMPLERS[config.sampler](config, *seeds)


def _tpe(config: SearchConfig, own: int, common: int) -> BaseSampler:
    n_startup, multivariate, group = config.trials_per_batch, config.multivariate, config.group
    return optuna.samplers.TPESampler(seed=own, n_startup_trials=n_startup, multivariate=multivariate, group=group)


def _random(config: SearchConfig, own: int, common: int) -> BaseSampler:
    return optuna.samplers.RandomSampler(seed=own)


def _grid(config: SearchConfig, own: int, common: int) -> BaseSampler:
    return optuna.samplers.GridSampler({name: listed_values(part) for name, part in config.space.items()}, seed=common)


def _qmc(config: SearchConfig, own: int, common: int) -> BaseSampler:
    sampler = optuna.samplers.QMCSampler(scramble=True, seed=common)
    return _OfWholeSpace(sampler, config)


def _gp(config: SearchConfig, own: int, common: int) -> BaseSampler:
    return optuna.samplers.GPSampler(seed=own, n_startup_trials=config.trials_per_batch)


def _cmaes(config: SearchConfig, own: int, common: int) -> BaseSampler:
    a_batch_is_a_generation = max(4, config.trials_per_batch)
    return _OfWholeSpace(optuna.samplers.CmaEsSampler(seed=own, n_startup_trials=0, popsize=a_batch_is_a_generation), config)


class _OfWholeSpace(BaseSampler):
    """Samples all settings from the first trial on, where Optuna would draw trials at random to see which settings there are."""

    def __init__(self, sampler: BaseSampler, config: SearchConfig) -> None:
        first = optuna.trial.FixedTrial({name: ends(part)[0] for name, part in config.space.items()})
        suggest(first, config.space)
        self._sampler, self._space = sampler, first.distributions

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._space

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._sampler.sample_relative(study, trial, search_space)

    def sample_independent(self, study: optuna.Study, trial: FrozenTrial, name: str, distribution: BaseDistribution) -> Any:
        return self._sampler.sample_independent(study, trial, name, distribution)


SAMPLERS: Mapping[Sampler, Callable[[SearchConfig, int, int], BaseSampler]] = {
    "tpe": _tpe,
    "random": _random,
    "grid": _grid,
    "qmc": _qmc,
    "gp": _gp,
    "cmaes": _cmaes,
}
REPLAYED: frozenset[Sampler] = frozenset({"qmc", "cmaes"})
OF_COMPLETE: frozenset[Sampler] = frozenset({"gp", "cmaes"})
"""Samplers that learn from complete trials only."""
