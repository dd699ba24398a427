"""A study's own comparison, as part of its summary."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from bertft_core.config import StudyConfig
from bertft_core.evaluation.comparison.compare_studies import compare_studies
from bertft_core.evaluation.comparison.compared_arms import StudyResults
from bertft_core.evaluation.comparison.request import ComparisonRequest
from bertft_core.records import DatasetCard, RunRecord, StudySummary


def with_comparison(
    study: StudyConfig,
    card: DatasetCard,
    summary: StudySummary,
    records: Mapping[str, RunRecord],
    run_dir_of: Callable[[str], Path],
) -> StudySummary:
    """The summary with every pair of its arms compared on the headline; as it is where there is one arm.

    `records` by run digest, `run_dir_of` from digest to the run's folder.
    """
    if len(summary.arms) < 2:
        return summary
    comparison = compare_studies([StudyResults(study, card, summary, records, run_dir_of)], ComparisonRequest())
    return summary.model_copy(update={"comparison": comparison})
