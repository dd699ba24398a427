"""Every pair of arms compared, within one study or across studies, from stored predictions; nothing is trained."""

from collections.abc import Iterable, Iterator, Sequence

from pydantic import TypeAdapter

from bertft_core.config.seed_settings import CrossedDesign, OnlyDesign
from bertft_core.config.split_designs import SplitDesign
from bertft_core.evaluation.comparison.compared_arms import arm_record, refusal
from bertft_core.evaluation.comparison.example_scores import ExampleResampling, enough_resamples
from bertft_core.evaluation.comparison.pair_comparer import ArmPair, PairComparer
from bertft_core.evaluation.comparison.pairing import has_same_examples, pair_refusal, pair_seeds
from bertft_core.evaluation.comparison.request import ComparisonPlan, ComparisonRequest, plan_comparison
from bertft_core.evaluation.comparison.study_components import components
from bertft_core.metrics import METRICS
from bertft_core.records.comparison_record import Comparison, ComparisonNote, PairComparison, Refusal
from bertft_core.seeds import derive_seed
from bertft_core.statistics.blas_threads import one_blas_thread
from bertft_core.statistics.kept_draws import forget_draws
from bertft_core.statistics.mean_tests import holm
from bertft_core.storage.study_results import StudyResults
from bertft_core.two_processes import in_two_processes

PAIRS = TypeAdapter(list[PairComparison])
FEW_SEEDS = 5
"""With up to so many seeds no test can detect that scores are not normal."""


@one_blas_thread()
def compare_studies(studies: Sequence[StudyResults], request: ComparisonRequest) -> Comparison:
    """Compare every pair on the headline metric and on the others of its split. Raises `UserError` for an impossible request.

    Arms and pairs that cannot be compared are refused, each with a reason, without stopping the others. The same studies give
    the same numbers: the resampling seed is derived from the seed of the first study.
    """
    plan, bootstrap_seed = plan_comparison(studies, request), derive_seed(studies[0].study.seed, "bootstrap", "comparison")
    refused = {arm.name: why for arm in plan.arms if (why := refusal(arm)) is not None}
    compared = [arm for arm in plan.arms if arm.name not in refused]
    samples = ExampleResampling(plan, [arm for arm in compared if not arm.has_own_splits], bootstrap_seed)
    refusals, paired, compare = [*refused.values()], list[ArmPair](), PairComparer(plan, samples, bootstrap_seed)
    for arm, baseline in plan.pairs:
        if arm.name in refused or baseline.name in refused:
            continue
        if (why := pair_refusal(arm, baseline, plan.split)) is not None:
            refusals.append(why)
            continue
        if not (same := has_same_examples(arm, baseline, plan.split)) and not arm.has_own_splits:
            samples.notes[ComparisonNote(kind="separate_examples", arm=arm.name, baseline=baseline.name)] = None
        paired.append(ArmPair(arm, baseline, pair_seeds(arm, baseline), same))
        if not paired[-1].is_scored(plan.key_of(plan.metrics[0])):
            refusals.append(Refusal(reason="scores_missing", arm=arm.name, baseline=baseline.name))

    def of_metric(metric: str) -> list[PairComparison]:
        return [compare.on(metric, pair) for pair in paired if pair.is_scored(plan.key_of(metric))]

    # metric by metric: what is resampled of one is not held for the next
    of_metrics = in_two_processes(of_metric, plan.metrics, _as_text, PAIRS.validate_json)
    pairs = [pair for found in of_metrics for pair in found]
    forget_draws()
    metric, names = plan.metrics[0], tuple(dict.fromkeys(results.study.name for results in studies))
    return Comparison(
        title=", ".join(names),
        studies=names,
        level=plan.level,
        n_resamples=plan.n_resamples,
        headline_metric=metric,
        headline_split=plan.split,
        headline_checkpoint=plan.checkpoint,
        headline_direction=plan.direction(metric),
        arms=tuple(arm_record(arm) for arm in plan.arms),
        pairs=corrected(pairs, plan.level),
        n_tests=sum(pair.p_value is not None for pair in pairs),
        components=components(plan.arms, plan.key),
        refused=tuple(refusals),
        notes=tuple(_notes(plan, pairs, samples.notes)),
    )


def _as_text(pairs: list[PairComparison]) -> str:
    return PAIRS.dump_json(pairs).decode()


def corrected(pairs: Sequence[PairComparison], level: float) -> tuple[PairComparison, ...]:
    """The pairs with Holm's correction over all of them, and what is claimed after it."""
    tested = [pair for pair in pairs if pair.p_value is not None]
    adjusted = iter(holm([pair.p_value for pair in tested if pair.p_value is not None]))
    # of seeds alone nothing is known that more of them could not change
    with_many_seeds = iter(holm([pair.p_many_seeds or 0.0 for pair in tested]))
    corrected_pairs = []
    for pair in pairs:
        p = limit = None
        if pair.p_value is not None:
            p, limit = float(next(adjusted)), float(next(with_many_seeds))
        claimed = p is not None and p <= 1 - level and pair.difference != 0
        many = None if pair.p_many_seeds is None else limit
        corrected_pairs.append(pair.model_copy(update={"p_holm": p, "claimed": claimed, "p_many_seeds": many}))
    return tuple(corrected_pairs)


def _notes(plan: ComparisonPlan, pairs: Sequence[PairComparison], found: Iterable[ComparisonNote]) -> Iterator[ComparisonNote]:
    for metric in dict.fromkeys(pair.metric for pair in pairs):
        if metric in METRICS[plan.head].seeds_only:
            yield ComparisonNote(kind="metric_not_resampled", metric=metric)
    yield from found
    of_seeds = [pair for pair in pairs if pair.splits is None]
    fewest = min((min(pair.n_seeds_arm, pair.n_seeds_baseline) for pair in of_seeds), default=FEW_SEEDS + 1)
    if fewest <= FEW_SEEDS:
        yield ComparisonNote(kind="few_seeds", n=fewest)
    if of_seeds and 2 * len(pairs) > (1 - plan.level) * (plan.n_resamples + 1):
        yield ComparisonNote(kind="few_resamples", n=enough_resamples(len(pairs)))
    for study in {arm.results.study.name: arm.results.study for arm in plan.arms}.values():
        design = study.seeds.design
        if isinstance(design, OnlyDesign):
            yield ComparisonNote(kind="single_stream", study=study.name, stream=design.only)
        if isinstance(design, CrossedDesign):
            yield ComparisonNote(kind="crossed_design", study=study.name)
        if isinstance(design, SplitDesign):
            yield ComparisonNote(kind="split_design", study=study.name)
        if study.seeds.until is not None:
            yield ComparisonNote(kind="adaptive_seeds", study=study.name)
