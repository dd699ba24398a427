"""The sides' scores on resampled examples: what was read of their predictions, drawn once for all that share their examples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bertft_core.evaluation.comparison.compared_arms import ComparedArm
from bertft_core.evaluation.comparison.example_scores import ExampleScores, read_example_scores
from bertft_core.evaluation.comparison.request import ComparisonPlan
from bertft_core.metrics.per_example.statistic import PerExample, Statistic, scored_of
from bertft_core.metrics.precision_recall import Bools
from bertft_core.seeds import derive_seed
from bertft_core.statistics.resampling import Draws, resample_examples

OTHER_RESAMPLES = 2000
"""Of metrics that are not the headline, where so many are fine enough."""
RESAMPLES_PER_TEST = 80
"""No p-value is under 2/(resamples + 1), and Holm's correction multiplies it by up to the number of tests."""
MAX_NUMBERS = 100_000_000
"""What the examples of all sides may add to one metric, counted in numbers: some hundred MiB."""


class ExampleResampling:
    """Scores of every side on resampled examples, where those can be had; sides with other examples draw by themselves."""

    def __init__(self, wanted: ComparisonPlan, sides: Sequence[ComparedArm], bootstrap_seed: int) -> None:
        """`sides`: those that are compared."""
        self._wanted = wanted
        self.told: dict[str, None] = {}
        """Why examples are not resampled, or not as one might think; each sentence once, in their order."""
        self._answers: dict[str, ExampleScores] = {}
        self._draws: dict[tuple[str, str], Draws] = {}
        for i, group in enumerate(_by_examples(sides, wanted.split)):
            self._read(group)
            for metric in wanted.metrics:
                self._draw(metric, group, derive_seed(bootstrap_seed, "bootstrap", i))

    def draws(self, side: ComparedArm, metric: str, seeds: Sequence[int]) -> Draws:
        """The scores of these seeds [seeds], and on resampled examples [resamples, seeds]."""
        scores = side.scores(self._wanted.key_of(metric))
        found = self._draws.get((side.name, metric))
        if found is None or found.resampled is None:
            return Draws(np.array([scores[seed] for seed in seeds]))
        rows = [sorted(side.seeds).index(seed) for seed in seeds]
        return Draws(found.scores[rows], found.resampled[:, rows])

    def right(self, side: ComparedArm, seeds: Sequence[int]) -> list[Bools] | None:
        """Which examples each seed has right; None where that is not known."""
        answers = self._answers.get(side.name)
        return [answers.right[seed] for seed in seeds] if answers is not None and answers.right else None

    def answers(self, side: ComparedArm) -> ExampleScores | None:
        """What was read of a side."""
        return self._answers.get(side.name)

    def _read(self, group: Sequence[ComparedArm]) -> None:
        ids: Sequence[str] | None = None
        for side in group:
            found = read_example_scores(side, self._wanted.checkpoint, self._wanted.split, ids)
            if isinstance(found, str):
                self.told[f"examples are not resampled everywhere: {found}"] = None
            else:
                ids = found.example_ids
                self._answers[side.name] = found

    def _draw(self, metric: str, group: Sequence[ComparedArm], bootstrap_seed: int) -> None:
        key, seeds = self._wanted.key_of(metric), {}
        for side in group:
            answers = self._answers.get(side.name)
            by_example = None if answers is None else answers.of_metric(metric, sorted(side.seeds))
            if by_example is not None and len(side.scores(key)) == len(side.seeds):
                seeds[side.name] = by_example
        if sum(_numbers(by_example) for by_example in seeds.values()) > MAX_NUMBERS:
            self.told[
                f"{metric}: its examples are not resampled, which would take too much memory for so many labels and seeds"
            ] = None
            return
        n = self._wanted.n_resamples
        if metric != self._wanted.metrics[0]:
            n = min(n, max(OTHER_RESAMPLES, enough_resamples(len(self._wanted.pairs) * len(self._wanted.metrics))))
        drawn = resample_examples([scored_of(by_example) for by_example in seeds.values()], bootstrap_seed, n)
        self._draws |= {(name, metric): draws for name, draws in zip(seeds, drawn, strict=True)}


def enough_resamples(n_tests: int) -> int:
    """With so many, the smallest p-value there can be stays well under 5 % after Holm's correction."""
    return RESAMPLES_PER_TEST * n_tests


def _by_examples(sides: Sequence[ComparedArm], split: str) -> list[list[ComparedArm]]:
    """The sides that are scored on the same examples, together."""
    groups: dict[str, list[ComparedArm]] = {}
    for side in sides:
        card = side.results.card.splits.get(split)
        if card is not None:
            groups.setdefault(card.sha256, []).append(side)
    return list(groups.values())


def _numbers(seeds: Sequence[PerExample]) -> int:
    return sum(len(s.parts[0]) * s.width if isinstance(s, Statistic) else 2 * len(s.first) for s in seeds)
