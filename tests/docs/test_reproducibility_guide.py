"""The guide on reproducibility names every check and every verdict that there is, and the tags that are written."""

from __future__ import annotations

import re
from typing import get_args

from bertft_core.evaluation.certificate_checks import ACCUMULATION_TOLERANCE, CHECKS
from bertft_core.records.verification_record import DECIDING_PACKAGES, RunVerdict, Verdict, VerdictFinding
from bertft_core.report.prose.verification_text import TITLES
from bertft_core.training.certificate_runs import N_STEPS
from tasks.tracking.verdicts import run_tags
from tests.helpers.markdown import ROOT

GUIDE = (ROOT / "docs" / "guides" / "reproducibility.md").read_text(encoding="utf-8")
WORDS = " ".join(GUIDE.split())


def first_cells(heading: str) -> list[str]:
    """Of the table that begins with this cell."""
    table = re.search(rf"^\| {heading} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", GUIDE, re.MULTILINE)
    assert table is not None
    return [row.split("|")[1].strip() for row in table[1].splitlines()]


def test_every_check_has_its_row_in_the_order_of_the_report():
    assert first_cells("check") == [TITLES[name][0] for name in CHECKS]
    assert f"its first {N_STEPS} steps at most" in WORDS
    assert f"within {ACCUMULATION_TOLERANCE:.0e} of the largest".replace("e-09", "e-9") in WORDS


def test_every_verdict_has_its_row():
    assert {cell.strip("`").removesuffix(" x") for cell in first_cells("verdict")} == set(get_args(Verdict))


def test_every_package_that_decides_numbers_is_named():
    assert [name for name in DECIDING_PACKAGES if name not in GUIDE] == []


def test_every_tag_is_named():
    finding = VerdictFinding(verdict="equal within", largest_difference=0.1, first_step=2)
    verdict = RunVerdict(
        run_digest="0" * 64, title="t", recorded_at="a", how="verify", finding=finding, checked_at="b", machine="m"
    )
    tags = run_tags(verdict)
    assert len(tags) >= 7
    assert [tag for tag in tags if f"`{tag.removeprefix('bertft.verified')}`" not in GUIDE and f"`{tag}`" not in GUIDE] == []
    assert tags["bertft.verified"] == "equal within 0.1"
