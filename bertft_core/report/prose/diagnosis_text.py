"""The outcome of every check of `bertft diagnose`: what was found, and what to do about it."""

import textwrap
from collections import Counter
from collections.abc import Sequence
from typing import Any

from bertft_core.evaluation.diagnosis.findings import Diagnosis
from bertft_core.report.prose import grammar
from bertft_core.report.prose.diagnosis_findings import finding
from bertft_core.report.prose.diagnosis_hints import hint

WIDTH = 118


def describe(study: str, diagnoses: Sequence[Diagnosis]) -> str:
    """Every check with its verdict, what was found and what to do, without a final newline."""
    counts = Counter(diagnosis.verdict for diagnosis in diagnoses)
    some = f"{grammar.several(counts['problem'], 'problem')}, {counts['look']} to look at, {counts['ok']} ok"
    none = f"nothing stands out in {grammar.several(len(diagnoses), 'check')}"
    lines = [f"{study}: {none if counts['ok'] == len(diagnoses) else some}"]
    for diagnosis in diagnoses:
        lines += ["", f"{diagnosis.verdict.upper() if diagnosis.verdict != 'ok' else 'ok':<8} {diagnosis.check}"]
        for found in diagnosis.findings:
            lines += textwrap.wrap(finding(found), WIDTH, initial_indent="  - ", subsequent_indent="    ")
        for each in diagnosis.hints:
            lines += textwrap.wrap(hint(each), WIDTH, initial_indent="  do: ", subsequent_indent="      ", break_on_hyphens=False)
    return "\n".join(lines)


def as_json(diagnosis: Diagnosis) -> dict[str, Any]:
    """A check with its codes and numbers, and the sentences that `describe` prints."""
    sentences = {"found": [finding(each) for each in diagnosis.findings], "hint": [hint(each) for each in diagnosis.hints]}
    return {**diagnosis.model_dump(mode="json"), **sentences}
