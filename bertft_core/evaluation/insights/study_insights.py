"""All insights of one study, and what they have in common."""

from bertft_core.evaluation.insights.detectable_effect import ArmMetric, seeds_needed
from bertft_core.evaluation.insights.expected_best_of_n import budgets_of
from bertft_core.evaluation.insights.seed_agreement import agreement_of_arms
from bertft_core.evaluation.insights.seed_variance import variance_of_arms
from bertft_core.evaluation.insights.start_many_schedules import start_many_of
from bertft_core.records.insight_records import Insights
from bertft_core.storage.study_results import StudyResults


def insights_of(results: StudyResults) -> Insights:
    """The insights of an evaluated study. Nothing is estimated from selected seeds: each part is empty or refused."""
    summary = results.summary
    at = ArmMetric(summary.headline_metric, summary.headline_split, summary.headline_checkpoint)
    variance, variance_refused = variance_of_arms(results)
    agreement, agreement_refused = agreement_of_arms(results)
    return Insights(
        variance=variance,
        variance_refused=variance_refused,
        agreement=agreement,
        agreement_refused=agreement_refused,
        budgets=budgets_of(results),
        seeds_needed=seeds_needed(results.study, summary.arms, at),
        start_many=start_many_of(results),
    )
