"""The answer of a study: every arm over its seeds, from stored per-example predictions."""

from collections import Counter

from bertft_core.config.study_config import StudyConfig
from bertft_core.evaluation.comparison.compare_studies import compare_studies
from bertft_core.evaluation.comparison.request import ComparisonRequest
from bertft_core.evaluation.ensemble_scores import ensemble_of
from bertft_core.evaluation.gain_over_majority import gain_over_majority
from bertft_core.evaluation.insights.detectable_effect import without_useless_seeds
from bertft_core.evaluation.insights.study_insights import insights_of
from bertft_core.evaluation.metric_rows import collapse_rate, metric_rows
from bertft_core.evaluation.model_selection import model_selection_of
from bertft_core.evaluation.nondeterminism import nondeterminism_of
from bertft_core.evaluation.probe_scores import summarize_probes
from bertft_core.evaluation.run_scores import majority_scores, scores_of
from bertft_core.evaluation.selected_seeds import only_the_best, selected_seeds_of
from bertft_core.planning.adaptive import adaptive_seeds, interval_level
from bertft_core.records import DatasetCard, RunSpec
from bertft_core.records.insight_records import Insights
from bertft_core.records.summary import ArmSummary, CrossedCell, DrawnSplit, SeedScore, StudySummary
from bertft_core.seeds import cell_of, split_cell_of
from bertft_core.statistics.blas_threads import one_blas_thread
from bertft_core.statistics.repeated_splits import mean_test_to_train
from bertft_core.storage.study_results import StudyResults
from bertft_core.two_processes import in_two_processes


@one_blas_thread()
def evaluated(results: StudyResults, stored: StudySummary | None = None) -> StudyResults:
    """The results with their summary and, where there are several arms, every pair of them compared on the headline.

    The comparison of a `stored` summary is taken where its runs and their scores are the same.
    """
    summary = summarize(results)
    results = results.with_summary(summary)
    if len(summary.arms) < 2:
        return results
    comparison = stored.comparison if stored is not None and stored.arms == summary.arms else None
    comparison = comparison or compare_studies([results], ComparisonRequest())
    insights = summary.insights or Insights()
    insights = insights.model_copy(update={"seeds_needed": without_useless_seeds(insights.seeds_needed, comparison)})
    return results.with_summary(summary.model_copy(update={"comparison": comparison, "insights": insights}))


def summarize(results: StudyResults) -> StudySummary:
    """Summarise the planned report runs, without the comparison of arms.

    A planned run without a record counts as 'missing'. Runs that diverged or failed have no scores but are counted.
    Collapsed runs are in every mean; where there are any, a second row leaves them out.
    """
    study, card = results.study, results.card
    split, checkpoint, metric = headline_split(study, card), study.headline.checkpoint, study.metric
    key = f"{checkpoint}/{split}/{metric}"
    names, write, read = list(study.arms), ArmSummary.model_dump_json, ArmSummary.model_validate_json
    arms = tuple(in_two_processes(lambda arm: _arm(results, arm, key), names, write, read))
    level, compared = interval_level(study), () if study.is_selected else arms
    constant_score = majority_scores(card, split).get(metric)
    gains = [gain_over_majority(arm, key, constant_score, level) for arm in compared if constant_score is not None]
    adaptive = adaptive_seeds(study, card, results.chosen, results.records, arms, key)
    summary = StudySummary(
        study=study.name,
        study_digest=study.digest,
        data_fingerprint=card.fingerprint,
        headline_split=split,
        headline_checkpoint=checkpoint,
        headline_metric=metric,
        arms=arms,
        head=study.head.kind,
        headline_direction=study.direction,
        gains_over_majority=tuple(gain for gain in gains if gain is not None),
        floors=nondeterminism_of(results, key),
        adaptive=adaptive,
        model_selection=model_selection_of(results, arms, adaptive),
    )
    evaluated = results.with_summary(summary)
    return summary.model_copy(update={"probes": summarize_probes(evaluated), "insights": insights_of(evaluated)})


def headline_split(study: StudyConfig, card: DatasetCard) -> str:
    """The split shown first: the one the study names, or validation where the data has no such split."""
    return study.headline.split if study.headline.split in card.evaluated_splits else "validation"


def _arm(results: StudyResults, arm: str, key: str) -> ArmSummary:
    study, specs = results.study, [spec for spec in results.planned if spec.arm == arm]
    seeds = tuple(_seed_score(results, spec) for spec in specs)
    counts = Counter(seed.status for seed in seeds)
    selected = selected_seeds_of(results, arm, specs, seeds)
    sample, level = only_the_best(seeds, selected), interval_level(study)
    splits = results.card.evaluated_splits
    summary = ArmSummary(
        arm=arm,
        n_planned=len(specs),
        counts=dict(sorted(counts.items())),
        metrics=tuple(metric_rows(sample, splits, study.seed, selected=study.is_selected, level=level)),
        seeds=seeds,
        chosen=dict(results.chosen.get(arm, {})),
        grid_values=study.arms[arm].grid_values,
        collapse_rate=None if study.is_selected else collapse_rate(counts),
        n_censored=counts["pruned"],
        selected=selected,
    )
    return summary.model_copy(update={"ensemble": ensemble_of(results, summary, key)}) if study.ensemble else summary


def _seed_score(results: StudyResults, spec: RunSpec) -> SeedScore:
    cell, record = cell_of(results.study.seeds, spec.index), results.records.get(spec.digest)
    return SeedScore(
        index=spec.index,
        status="missing" if record is None else record.status,
        run_digest=spec.digest,
        weights_sha256=None if record is None else record.weights_sha256,
        init_seed=spec.seeds.init,
        order_seed=spec.seeds.order,
        dropout_seed=spec.seeds.dropout,
        best_step=None if record is None else record.best_step,
        scores={} if record is None else scores_of(results, record),
        error=None if record is None else record.error,
        cell=None if cell is None else CrossedCell(**cell._asdict()),
        split=_drawn_split(results, spec),
    )


def _drawn_split(results: StudyResults, spec: RunSpec) -> DrawnSplit | None:
    """Where the run stands in a split design, and what it tests for each example that it learns from."""
    seeds, card = results.study.seeds, results.card
    cell = split_cell_of(seeds, spec.index)
    if cell is None or seeds.splits is None or card.n_drawn_from is None:
        return None
    n_test = card.draws[cell.split].splits["test"].n_examples
    ratio = mean_test_to_train([n_test], card.n_drawn_from)
    return DrawnSplit(**cell._asdict(), **seeds.splits.place(cell.split)._asdict(), test_to_train=ratio)
