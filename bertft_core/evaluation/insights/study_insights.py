"""All that a study's seeds tell beside their means."""

from __future__ import annotations

from bertft_core.evaluation.insights.detectable_effect import ArmMetric, seeds_needed
from bertft_core.evaluation.insights.expected_best_of_n import SELECTED, budgets_of
from bertft_core.evaluation.insights.insight_evidence import Evidence
from bertft_core.evaluation.insights.seed_agreement import agreement_of_arms
from bertft_core.evaluation.insights.seed_variance import variance_of_arms
from bertft_core.evaluation.insights.start_many_schedules import start_many_of
from bertft_core.records.insight_records import Insights


def insights_of(evidence: Evidence) -> Insights:
    """The insights of a study that was evaluated. Of selected seeds nothing is estimated: each part says so or is empty."""
    selected = evidence.study.is_selected
    variance, variance_notes = ((), ()) if selected else variance_of_arms(evidence)
    agreement, agreement_notes = ((), (SELECTED,)) if selected else agreement_of_arms(evidence)
    at = ArmMetric(evidence.metric, evidence.split, evidence.checkpoint)
    return Insights(
        variance=variance,
        variance_notes=variance_notes,
        agreement=agreement,
        agreement_notes=agreement_notes,
        budgets=budgets_of(evidence),
        seeds_needed=seeds_needed(evidence.study, evidence.arms, at),
        start_many=start_many_of(evidence),
    )
