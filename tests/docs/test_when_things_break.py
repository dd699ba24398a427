"""The guide to failures names every record that has had several versions, with the one that is written today."""

from __future__ import annotations

import re

from bertft_core.storage.upgrade import STEPS, version_of
from tests.helpers.markdown import ROOT

GUIDE = (ROOT / "docs" / "guides" / "when-things-break.md").read_text(encoding="utf-8")


def test_every_version_is_that_of_the_guide():
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| (\d+) \| [^|]{10,} \|$", GUIDE, re.MULTILINE)
    named = {kind: int(version) for kinds, version in rows for kind in re.findall(r"`(\w+)`", kinds)}
    assert len(named) >= 5
    assert named == {kind: version_of(kind) for kind in STEPS}
