"""In which order runs are begun, so that all slots end at about the same time: the longest must not be left for the end.

Seed by seed, all arms grow together, so that a study that is stopped early has something of each. As many of the first seeds keep
this order as the end of the study allows; the rest is begun longest first (Graham 1969: at most a third longer than possible).
"""

import heapq
from collections.abc import Callable, Sequence

from bertft_core.records import DatasetCard, RunSpec
from bertft_core.training.cost_estimate import CostEstimator

Seconds = Callable[[RunSpec], float]
FLOPS_PER_SECOND = 1e11
"""Of one core: about what an encoder's step reaches."""
SLACK = 1.01
"""How much later than longest first a study may end."""


def balanced(specs: Sequence[RunSpec], seconds: Seconds, n_slots: int) -> list[RunSpec]:
    """The same runs, in the order in which they are best begun on this many slots; `seconds` is what each takes."""
    costs = {spec.digest: seconds(spec) for spec in specs}
    if n_slots < 2 or len(set(costs.values())) < 2:
        return list(specs)

    def longest_first(of: Sequence[RunSpec]) -> list[RunSpec]:
        return sorted(of, key=lambda spec: -costs[spec.digest])

    def end(order: Sequence[RunSpec]) -> float:
        slots = [0.0] * n_slots
        for spec in order:  # the next run goes where a slot is free first
            heapq.heapreplace(slots, slots[0] + costs[spec.digest])
        return max(slots)

    best = longest_first(specs)
    latest = SLACK * end(best)
    seeds = [0, *(i for i in range(1, len(specs)) if specs[i].index != specs[i - 1].index), len(specs)]
    n_last = 1
    while n_last < len(seeds) - 1:  # seeds that are begun longest first: the last one, the last two, four, …
        kept = seeds[-1 - n_last]
        order = [*specs[:kept], *longest_first(specs[kept:])]
        if end(order) <= latest:
            return order
        n_last *= 2
    return best


def calculated_seconds(card: DatasetCard) -> Seconds:
    """Of every run of a study, by calculation and with one speed for all machines: their ratios count."""
    made: dict[tuple[str, str], CostEstimator] = {}

    def seconds(spec: RunSpec) -> float:
        key = spec.data_fingerprint, spec.encoder.weights_sha256
        if key not in made:
            made[key] = CostEstimator(card.of_run(spec), (), flops_per_second=FLOPS_PER_SECOND)
        return made[key].of(spec).seconds

    return seconds
