"""The guide to the published studies names every ready study of hub data, its metric and the commits it stands at."""

from __future__ import annotations

import re

from bertft_core.config import load_study
from tests.docs.markdown import ROOT

GUIDE = (ROOT / "docs" / "guides" / "published-studies.md").read_text(encoding="utf-8")
STUDIES = {
    path.relative_to(ROOT).as_posix(): study
    for path in sorted((ROOT / "configs").rglob("*.yaml"))
    if (study := load_study(path)).data.source == "hub"
}


def test_every_study_of_hub_data_is_told_with_its_metric():
    rows = re.findall(r"^\| \[[\w/]+\]\(\.\./\.\./(\S+)\) \| (\w+) \|", GUIDE, re.MULTILINE)
    assert len(rows) >= 14
    assert dict(rows) == {path: study.metric for path, study in STUDIES.items()}


def test_the_commits_are_those_of_the_guide():
    pinned = dict(re.findall(r"^\| (\S+/\S+) \| (?:branch )?(\S+) \|", GUIDE.partition("## Pinned commits")[2], re.MULTILINE))
    used = {study.encoder.checkpoint: study.encoder.revision for study in STUDIES.values()}
    used |= {study.data.name: study.data.revision for study in STUDIES.values()}
    assert len(used) >= 8
    assert pinned == used
