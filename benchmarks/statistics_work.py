"""The statistics of all pairs of some arms, part by part, as a process of its own; prints what each part took as JSON."""

from __future__ import annotations

import itertools
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # as a script it finds its neighbours like this
from bertft_core.statistics import disagreement, effect_sizes, equal_variance, mean_tests
from bertft_core.statistics.aso import almost_stochastic_order
from bertft_core.statistics.mean_tests import holm
from bertft_core.statistics.multi_bootstrap import MultiBootstrap, multi_bootstrap
from bertft_core.statistics.probability_of_superiority import superiority
from bertft_core.statistics.resampling import Additive, Draws, Floats, resample_examples
from tests.helpers.score_grids import mean_over_examples

N_BINS = 10
PEER_RESAMPLES = {"aso": 1000, "bootstrap test": 10_000, "P(A > B)": 2000}
"""Task → the resamples that the peer makes by default, or that its paper asks for."""


class Sizes(NamedTuple):
    """Of the made-up study."""

    arms: int
    seeds: int
    examples: int
    resamples: int


class Made(NamedTuple):
    """Answers of one arm [seeds, examples]."""

    right: Floats
    predicted: Floats
    confidence: Floats


def make_answers(sizes: Sizes, rng: np.random.Generator) -> tuple[Floats, list[Made]]:
    """True labels [examples] and every arm's answers; arms get better one after the other, examples are easy or hard for all."""
    true = (rng.random(sizes.examples) < 0.4).astype(np.float64)
    ease, arms = rng.normal(size=sizes.examples), []
    for i in range(sizes.arms):
        seeds = 1.2 + 0.05 * i + 0.05 * rng.normal(size=(sizes.seeds, 1))
        chance = 1 / (1 + np.exp(-2 * (seeds + ease + 0.5 * rng.normal(size=(sizes.seeds, sizes.examples)))))
        right = (rng.random(chance.shape) < chance).astype(np.float64)
        confidence = np.clip(np.abs(chance - 0.5) + 0.5 + 0.05 * rng.normal(size=chance.shape), 0.5, 1.0)
        arms.append(Made(right, np.where(right > 0, true, 1 - true), confidence))
    return true, arms


def _f1(true: Floats, made: Made) -> Additive:
    every = np.broadcast_to(true, made.right.shape)
    values = np.stack([every * made.predicted, every, made.predicted], axis=2)
    return Additive(values, lambda sums: 2 * sums[..., 0] / (sums[..., 1] + sums[..., 2]))


def _ece(true: Floats, made: Made) -> Additive:
    bins = np.minimum((made.confidence * N_BINS).astype(int), N_BINS - 1)
    gaps = (made.right - made.confidence)[..., None] * (bins[..., None] == np.arange(N_BINS))
    n = true.shape[0]
    return Additive(gaps, lambda sums: np.abs(sums).sum(axis=-1) / n)


METRICS: dict[str, Callable[[Floats, Made], Additive]] = {
    "accuracy": lambda true, made: mean_over_examples(made.right),
    "F1": _f1,
    "calibration error": _ece,
}


def work(sizes: Sizes) -> dict[str, Any]:
    """Every part in turn: seconds of wall time and of the processor, and the peak of memory at the end."""
    true, arms = make_answers(sizes, np.random.default_rng(0))
    baseline = _memory()
    parts: dict[str, dict[str, float]] = {}
    p_values: list[float] = []
    for metric, scored in METRICS.items():
        found, parts[f"multi-bootstrap, {metric}"] = _timed(lambda s=scored: _all_pairs([s(true, made) for made in arms], sizes))
        p_values += [pair.both.p for pair in found if pair.both]
    scores = [made.right.mean(axis=1) for made in arms]
    _, parts["tests, orders and effect sizes"] = _timed(lambda: [_over_seeds(a, b) for a, b in itertools.combinations(scores, 2)])
    rights = [made.right for made in arms]
    _, parts["disagreement"] = _timed(lambda: [_examples(a, b) for a, b in itertools.combinations(rights, 2)])
    _, parts["Holm"] = _timed(lambda: holm(p_values))
    return {
        "parts": parts,
        "memory_bytes": _memory(),
        "data_memory_bytes": baseline,
        "scores": [list(of_arm) for of_arm in scores],
    }


def _all_pairs(arms: list[Additive], sizes: Sizes) -> list[MultiBootstrap]:
    draws = resample_examples(arms, 0, sizes.resamples)
    return [multi_bootstrap(b, a, paired=True, bootstrap_seed=0) for a, b in itertools.combinations(draws, 2)]


def _over_seeds(a: Floats, b: Floats) -> None:
    mean_tests.paired_t(a, b)
    mean_tests.wilcoxon(a, b, 0)
    mean_tests.permutation(a, b, paired=True, permutation_seed=0)
    equal_variance.brown_forsythe(a, b)
    equal_variance.levene(a, b)
    superiority(a, b, paired=True, bootstrap_seed=0)
    almost_stochastic_order(a, b, bootstrap_seed=0)
    effect_sizes.cohens_d(a, b)
    effect_sizes.cliffs_delta(a, b)


def _examples(a: Floats, b: Floats) -> None:
    disagreement.shares(a, b, paired=True)
    disagreement.clustered_mcnemar(a, b)


def as_peers(first: Floats, second: Floats) -> dict[str, float]:
    """Task → seconds of the processor, for what a peer offers too: one pair of arms, scores [runs of each]."""
    tasks: dict[str, Callable[[], object]] = {
        "aso": lambda: almost_stochastic_order(first, second, bootstrap_seed=0, n_resamples=PEER_RESAMPLES["aso"]),
        "bootstrap test": lambda: multi_bootstrap(
            Draws(first), Draws(second), paired=False, bootstrap_seed=0, n_resamples=PEER_RESAMPLES["bootstrap test"]
        ),
        "P(A > B)": lambda: superiority(first, second, paired=False, bootstrap_seed=0, n_resamples=PEER_RESAMPLES["P(A > B)"]),
    }
    return {name: min(_timed(task)[1]["cpu_seconds"] for _ in range(3)) for name, task in tasks.items()}


def _timed(task: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    wall, cpu = time.perf_counter(), time.process_time()
    found = task()
    return found, {"wall_seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}


def _memory() -> int:
    """Peak of resident memory so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    made = work(Sizes(*map(int, sys.argv[1:])))
    made["as_peers"] = as_peers(np.array(made["scores"][1]), np.array(made["scores"][0]))
    print(json.dumps(made))
