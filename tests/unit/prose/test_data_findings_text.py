"""Every check of the data has a clause; a finding of an older card, without numbers, is still shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bertft_core.records import DataFinding
from bertft_core.report.prose.data_findings_text import CLAUSES, finding_text

DATA = Path(__file__).parents[3] / "bertft_core" / "data"
NUMBERS = {
    "n_largest": 9, "n_examples": 10, "max_length": 32, "longest": 40, "ratio": 0.02, "min_characters": 3, "n_sentences": 2,
    "n": 8, "low": 0.5, "high": 4.5, "train_low": 1, "train_high": 4, "max_iqrs": 3, "lower": 1, "upper": 2, "n_texts": 6,
    "share": 0.5, "validation_share": 0.25, "value": 3,
}  # fmt: skip


def found(check: str, count: int = 2, **changes: object) -> DataFinding:
    return DataFinding(check=check, split="test", count=count, **({"numbers": NUMBERS, "names": ("a", "b")} | changes))


def test_every_check_has_a_clause():
    code = "\n".join(path.read_text() for path in DATA.rglob("*.py"))
    checks = set(re.findall(r'check="(\w+)"', code)) | {"never_on", "always_on"}
    assert len(checks) >= 19
    assert checks == CLAUSES.keys()
    for check in checks:
        assert "test" in finding_text(found(check)) or check == "class_balance"


@pytest.mark.parametrize(
    ("finding", "text"),
    [
        (found("overlap", 1, names=("train",)), "1 text of test is also in train"),
        (found("shared_contexts"), "2 questions of test are about contexts that are also in a and b"),
        (found("truncated", 4), "40 % of test are longer than max_length 32 (the longest has 40 tokens)"),
        (found("never_on", 3), "a, b and 1 more are never on in test"),
        (
            found("class_balance", 1300, numbers={"n_largest": 1234567}),
            "the largest class 'a' has 1,234,567 examples, the smallest 'b' has 1,300",
        ),
        (found("class_balance"), "the largest class 'a' has 9 examples, the smallest 'b' has 2"),
    ],
)
def test_a_finding_is_a_clause(finding, text):
    assert finding_text(finding) == text


def test_a_finding_of_an_older_card_has_no_numbers_and_is_shown_by_its_count():
    assert finding_text(DataFinding(check="truncated", split="test", count=4)) == "4 in test"
    assert finding_text(DataFinding(check="a_check_of_another_version", split="test", count=4)) == "4 in test"


@pytest.mark.parametrize("check", sorted(CLAUSES))
def test_a_finding_of_an_older_card_is_shown_whatever_the_check(check):
    text = finding_text(DataFinding(check=check, split="test", count=4))
    assert "4" in text
    assert "test" in text
    assert "more" not in text, "names that an older card did not store are not counted as left out"
