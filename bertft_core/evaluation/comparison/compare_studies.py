"""Every pair of arms compared: of one study, or across studies. From stored predictions; nothing is trained."""

from __future__ import annotations

from collections.abc import Sequence

from bertft_core.evaluation.comparison.compared_arms import ComparedArm, arm_record, refusal
from bertft_core.evaluation.comparison.example_resampling import ExampleResampling
from bertft_core.evaluation.comparison.notes import notes
from bertft_core.evaluation.comparison.pair_estimates import Sample, estimate
from bertft_core.evaluation.comparison.pairing import Pairing, examples_of, pair_seeds
from bertft_core.evaluation.comparison.request import ComparisonPlan, ComparisonRequest, plan_comparison
from bertft_core.evaluation.comparison.seed_tests import SeedTestSettings
from bertft_core.evaluation.comparison.study_components import components
from bertft_core.evaluation.comparison.wording import sentence
from bertft_core.records.comparison_record import Comparison, PairComparison
from bertft_core.records.summary import cells_of
from bertft_core.seeds import derive_seed
from bertft_core.statistics.mean_tests import holm
from bertft_core.storage.study_results import StudyResults


def compare_studies(studies: Sequence[StudyResults], asked: ComparisonRequest) -> Comparison:
    """Compare every pair on the headline metric and on the others of its split. Raises `UserError` for what is not there.

    What cannot be compared is refused with a reason and does not stop the rest. The same studies give the same numbers: the
    resamples are drawn from a seed of the first study.
    """
    wanted, bootstrap_seed = plan_comparison(studies, asked), derive_seed(studies[0].study.seed, "bootstrap", "comparison")
    refusals = {side.name: why for side in wanted.sides if (why := refusal(side)) is not None}
    samples = ExampleResampling(wanted, [side for side in wanted.sides if side.name not in refusals], bootstrap_seed)
    refused, pairs, compare = [*refusals.values()], list[PairComparison](), _Pairs(wanted, samples, bootstrap_seed)
    for arm, baseline in wanted.pairs:
        if arm.name in refusals or baseline.name in refusals:
            continue
        shared = examples_of(arm, baseline, wanted.split)
        if not shared.comparable:
            refused.append(f"{arm.name} and {baseline.name} are not compared: {shared.words}")
            continue
        if not shared.same:
            samples.told[f"{arm.name} and {baseline.name}: {shared.words}; each side's examples are resampled by themselves"] = (
                None
            )
        pairs += compare.of(arm, baseline, same=shared.same)
    metric = wanted.metrics[0]
    pairs.sort(key=lambda pair: wanted.metrics.index(pair.metric))
    return Comparison(
        title=", ".join(dict.fromkeys(results.study.name for results in studies)),
        studies=tuple(dict.fromkeys(results.study.name for results in studies)),
        level=wanted.level,
        n_resamples=wanted.n_resamples,
        headline_metric=metric,
        headline_split=wanted.split,
        headline_checkpoint=wanted.checkpoint,
        headline_direction=wanted.direction(metric),
        arms=tuple(arm_record(side) for side in wanted.sides),
        pairs=corrected(pairs, wanted.level),
        n_tests=sum(pair.p_value is not None for pair in pairs),
        components=components(wanted.sides, wanted.key),
        refused=tuple(refused),
        notes=tuple(notes(wanted, pairs, samples.told)),
    )


def corrected(pairs: Sequence[PairComparison], level: float) -> tuple[PairComparison, ...]:
    """The pairs with Holm's correction over all of them, what is claimed after it, and their sentences."""
    tested = [pair for pair in pairs if pair.p_value is not None]
    adjusted = iter(holm([pair.p_value for pair in tested if pair.p_value is not None]))
    done = []
    for pair in pairs:
        p = None if pair.p_value is None else float(next(adjusted))
        claimed = p is not None and p <= 1 - level and pair.difference != 0
        pair = pair.model_copy(update={"p_holm": p, "claimed": claimed})
        done.append(pair.model_copy(update={"sentence": sentence(pair, len(tested), level)}))
    return tuple(done)


class _Pairs:
    """Compares pairs of sides."""

    def __init__(self, wanted: ComparisonPlan, samples: ExampleResampling, bootstrap_seed: int) -> None:
        self._wanted, self._samples, self._seed = wanted, samples, bootstrap_seed

    def of(self, arm: ComparedArm, baseline: ComparedArm, *, same: bool) -> list[PairComparison]:
        """One for each metric that both sides have a score of in every compared seed; `same` where their examples are."""
        pairing = pair_seeds(arm, baseline)
        compared = []
        for metric in self._wanted.metrics:
            key = self._wanted.key_of(metric)
            if pairing.is_scored(arm.scores(key), baseline.scores(key)):
                compared.append(self._on(metric, arm, baseline, pairing, same))
        return compared

    def _on(self, metric: str, arm: ComparedArm, baseline: ComparedArm, pairing: Pairing, same: bool) -> PairComparison:
        wanted = self._wanted
        direction, is_headline = wanted.direction(metric), metric == wanted.metrics[0]
        how = SeedTestSettings(
            pairing.paired, direction, is_headline, len(wanted.pairs), wanted.n_resamples, self._seed, wanted.level
        )
        ours, theirs = (
            self._sample(side, metric, seeds, same) for side, seeds in zip((arm, baseline), pairing.seeds, strict=True)
        )
        found = estimate(ours, theirs, how)
        # seeds alone know nothing of how hard either side's examples are
        if found["both"] is None and not same:
            found |= {"p_value": None, "p_of": None}
        answers = None if found["both"] is None else self._samples.answers(arm)
        return PairComparison(
            checkpoint=wanted.checkpoint,
            split=wanted.split,
            metric=metric,
            direction=direction,
            arm=arm.name,
            baseline=baseline.name,
            paired=pairing.paired,
            pairing=pairing.words,
            n_seeds_arm=len(pairing.arm),
            n_seeds_baseline=len(pairing.baseline),
            n_examples=len(answers.example_ids) if answers is not None and same else None,
            unit=None if answers is None else answers.unit,
            sentence="",
            **found,
        )

    def _sample(self, side: ComparedArm, metric: str, seeds: tuple[int, ...], same: bool) -> Sample:
        collapsed, right = set(side.collapsed), self._samples.right(side, seeds) if same else None
        cells = cells_of([side.seeds[seed] for seed in seeds])
        shared = None if cells is None else tuple(cells)
        return Sample(self._samples.draws(side, metric, seeds), tuple(seed in collapsed for seed in seeds), right, shared)
