"""What was found: small frozen records that cross every border, and where they lie on disk. Imports no torch."""

from bertft_core.records.data_card import ChainLink, DataFinding, DatasetCard, SearchedCard, SplitCard
from bertft_core.records.insight_records import Insights
from bertft_core.records.run_record import Environment, Evaluation, RunRecord, RunStatus
from bertft_core.records.run_spec import EncoderIdentity, RunSpec, SeedTriple
from bertft_core.records.summary import (
    ArmSummary,
    Ensemble,
    GainOverMajority,
    MetricSummary,
    Nondeterminism,
    Rate,
    SeedScore,
    StudySummary,
)
from bertft_core.records.sweep_result import SweepResult, TrialRow

__all__ = [
    "ArmSummary",
    "ChainLink",
    "DataFinding",
    "DatasetCard",
    "EncoderIdentity",
    "Ensemble",
    "Environment",
    "Evaluation",
    "GainOverMajority",
    "Insights",
    "MetricSummary",
    "Nondeterminism",
    "Rate",
    "RunRecord",
    "RunSpec",
    "RunStatus",
    "SearchedCard",
    "SeedScore",
    "SeedTriple",
    "SplitCard",
    "StudySummary",
    "SweepResult",
    "TrialRow",
]
