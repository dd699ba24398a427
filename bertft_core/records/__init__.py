"""What was found: small frozen records that cross every border, and where they lie on disk. Imports no torch."""

from bertft_core.records.data_card import ChainLink, DatasetCard, Finding, SplitCard
from bertft_core.records.insights import Insights
from bertft_core.records.run_record import Environment, Evaluation, RunRecord, RunStatus
from bertft_core.records.run_spec import EncoderIdentity, RunSpec, SeedTriple
from bertft_core.records.store import StudyDir
from bertft_core.records.summary import (
    ArmSummary,
    Difference,
    Ensemble,
    Margin,
    MetricSummary,
    Rate,
    SeedScore,
    StudySummary,
    VarianceFloor,
)
from bertft_core.records.sweep_result import SweepResult, TrialRow

__all__ = [
    "ArmSummary",
    "ChainLink",
    "DatasetCard",
    "Difference",
    "EncoderIdentity",
    "Ensemble",
    "Environment",
    "Evaluation",
    "Finding",
    "Insights",
    "Margin",
    "MetricSummary",
    "Rate",
    "RunRecord",
    "RunSpec",
    "RunStatus",
    "SeedScore",
    "SeedTriple",
    "SplitCard",
    "StudyDir",
    "StudySummary",
    "SweepResult",
    "TrialRow",
    "VarianceFloor",
]
