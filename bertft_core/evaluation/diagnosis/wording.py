"""Diagnoses as plain text."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence

from bertft_core.evaluation.diagnosis.evidence import VERDICTS, Diagnosis

WIDTH = 118


def describe(study: str, diagnoses: Sequence[Diagnosis]) -> str:
    """Every check with its verdict, what was found and what to do; no line ends at the end."""
    counts = Counter(diagnosis.verdict for diagnosis in diagnoses)
    if counts["ok"] == len(diagnoses):
        lines = [f"{study}: nothing stands out in {len(diagnoses)} checks"]
    else:
        lines = [f"{study}: " + ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS)]
    for diagnosis in diagnoses:
        lines += ["", f"{diagnosis.verdict.upper() if diagnosis.verdict != 'ok' else 'ok':<8} {diagnosis.check}"]
        for sentence in diagnosis.found:
            lines += textwrap.wrap(sentence, WIDTH, initial_indent="  - ", subsequent_indent="    ")
        for sentence in diagnosis.hint:
            lines += textwrap.wrap(sentence, WIDTH, initial_indent="  do: ", subsequent_indent="      ", break_on_hyphens=False)
    return "\n".join(lines)
