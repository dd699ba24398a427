"""The labels that are probably wrong: sentences, counts of each split, the surest suspects, and a CSV of all to correct."""

import re
from typing import Any

from bertft_core.evaluation.label_quality.label_errors import LabelErrors, SuspectLabel, label_errors
from bertft_core.records import DatasetCard
from bertft_core.records.not_computed import NotComputed
from bertft_core.report.formatting import numbers
from bertft_core.report.prose import labels_text
from bertft_core.report.table_formats import csv_of
from bertft_core.storage.study_results import StudyResults

N_SHOWN = 20
SHEET = "labels_to_check"


def section(results: StudyResults) -> dict[str, Any]:
    """What the template lays out; `sheets` has the CSV by name, where a label is suspected."""
    found = label_errors(results)
    if isinstance(found, NotComputed):
        return {"refused": labels_text.refused(found), "sheets": {}}
    card = results.of_arm(found.arm).card
    sheet = csv_of([_record(card, suspect) for suspect in found.suspects]) if found.suspects else None
    return {
        "refused": None,
        "sentences": labels_text.sentences(found),
        "unit": found.unit,
        "splits": [_counts(found, i) for i in range(len(found.splits))],
        "rows": [_row(suspect) for suspect in found.suspects[:N_SHOWN]],
        "n_more": max(0, len(found.suspects) - N_SHOWN),
        "sheets": {} if sheet is None else {SHEET: sheet},
    }


def _counts(found: LabelErrors, position: int) -> dict[str, str]:
    split = found.splits[position]
    return {
        "split": split.split,
        "n": f"{split.n:,}",
        "estimated": f"{split.n_estimated:,} ({numbers.percent(split.n_estimated / split.n, 2)})",
        "suspects": f"{split.n_suspects:,}",
    }


def _row(suspect: SuspectLabel) -> dict[str, str]:
    word = "" if suspect.word is None else f", word {suspect.word}"
    named = f" ({suspect.word_text})" if suspect.word_text else ""
    return {
        "where": f"{suspect.example_id}{word}{named}",
        "split": suspect.split,
        "text": suspect.text or numbers.ABSENT,
        "label": f"{suspect.label} ({suspect.label_probability:.2f})",
        "suggested": f"{suspect.suggested} ({suspect.suggested_probability:.2f})",
        "margin": numbers.decimals(suspect.margin, 2),
    }


def row_of(example_id: str) -> int | None:
    """Which example of its file it is, counted from 1; None where the id is the data's own."""
    position = re.fullmatch(r".+-(\d{5,})", example_id)
    return None if position is None else 1 + int(position[1])


def _record(card: DatasetCard, suspect: SuspectLabel) -> dict[str, str | int | float | None]:
    """The id says the split and the position in its file, from 0; `row` is the place of the example there, from 1."""
    word = {} if suspect.word is None else {"word": suspect.word, "word_text": suspect.word_text}
    return {
        "id": suspect.example_id,
        "split": suspect.split,
        "row": row_of(suspect.example_id),
        "file": card.splits[suspect.split].origin.path,
        **word,
        "label": suspect.label,
        "suggested_label": suspect.suggested,
        "probability": round(suspect.label_probability, 6),
        "suggested_probability": round(suspect.suggested_probability, 6),
        "margin": round(suspect.margin, 6),
        "n_runs": suspect.n_runs,
        "text": suspect.text,
    }
