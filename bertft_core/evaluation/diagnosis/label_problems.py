"""Checks of the labels by what the study's own runs predict of them."""

from typing import Any

from bertft_core.evaluation.diagnosis.findings import DiagnosisFinding, Outcome, Outcomes, finding, hint
from bertft_core.evaluation.label_quality.label_errors import SuspectLabel, label_errors
from bertft_core.records.not_computed import NotComputed
from bertft_core.storage.study_results import StudyResults

MAX_SUSPECTS = 0.01
"""Share of labels that may look wrong; published test sets have 3 % of wrong labels on average (Northcutt et al. 2021)."""
N_SHOWN = 3


def label_errors_of(results: StudyResults) -> Outcomes:
    """Labels that confident learning takes for wrong. Never a problem by itself: hard examples are among them."""
    found = label_errors(results)
    if isinstance(found, NotComputed):
        return
    n = len(found.suspects)
    counts: dict[str, Any] = {"n": n, "of": found.n, "splits": [split.split for split in found.splits]}
    counted = finding("suspect_labels", arm=found.arm, **counts)
    if found.is_doubtful:
        yield Outcome("ok", finding("labels_not_judged", arm=found.arm, **counts))
        return
    if n <= MAX_SUSPECTS * found.n:
        yield Outcome("ok", counted)
        return
    yield Outcome("look", counted, (hint("check_labels", study=results.study.name),))
    yield from (Outcome("look", _suspect(suspect)) for suspect in found.suspects[:N_SHOWN])


def _suspect(suspect: SuspectLabel) -> DiagnosisFinding:
    values: dict[str, Any] = {"id": suspect.example_id, "word": suspect.word, "text": suspect.text, "label": suspect.label}
    values |= {"suggested": suspect.suggested, "probability": suspect.suggested_probability}
    return finding("suspect_label", split=suspect.split, **values)
