"""What a check of a study gives: a verdict, findings with their numbers, and hints with the settings to change."""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from bertft_core.config.base import Frozen
from bertft_core.records import DataFinding

Verdict = Literal["ok", "look", "problem"]
VERDICTS: tuple[Verdict, ...] = ("problem", "look", "ok")
"""The worst first."""


class DiagnosisFinding(Frozen):
    """One thing that a check found; `report.prose.diagnosis_text` has a sentence for every code."""

    code: str
    arm: str | None = None
    split: str | None = None
    values: dict[str, Any] = {}
    data: DataFinding | None = None
    """The finding of the data card, where it is one."""


class DiagnosisHint(Frozen):
    """What to change; `report.prose.diagnosis_text` has a sentence for every code."""

    code: str
    arm: str | None = None
    split: str | None = None
    overrides: tuple[str, ...] = ()
    """As for `--set`, where keys of the study do it."""
    values: dict[str, Any] = {}


class Diagnosis(Frozen):
    """The outcome of one check."""

    check: str
    verdict: Verdict
    findings: tuple[DiagnosisFinding, ...]
    hints: tuple[DiagnosisHint, ...] = ()


class Outcome(NamedTuple):
    """One part of a check, such as its outcome for one arm."""

    verdict: Verdict
    finding: DiagnosisFinding | None
    hints: tuple[DiagnosisHint, ...] = ()


Outcomes = Iterator[Outcome]
"""Of one check; none where it does not apply to the head or the study."""


def finding(code: str, *, arm: str | None = None, split: str | None = None, **values: Any) -> DiagnosisFinding:
    """A finding with its numbers by name."""
    return DiagnosisFinding(code=code, arm=arm, split=split, values=values)


def hint(code: str, *overrides: str, arm: str | None = None, split: str | None = None, **values: Any) -> DiagnosisHint:
    """A hint with the overrides that carry it out."""
    return DiagnosisHint(code=code, arm=arm, split=split, overrides=overrides, values=values)
