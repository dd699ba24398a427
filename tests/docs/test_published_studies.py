"""The guide to the published studies names every ready study of hub data, its metric and the commits it stands at."""

from __future__ import annotations

import re

from bertft_core.config import load_study
from tests.helpers.markdown import ROOT

GUIDES = ROOT / "docs" / "guides"
GUIDE = (GUIDES / "published-studies.md").read_text(encoding="utf-8")
PAPERS = (GUIDES / "papers.md").read_text(encoding="utf-8")
STUDIES = {
    path.relative_to(ROOT).as_posix(): study
    for path in sorted((ROOT / "configs").rglob("*.yaml"))
    if (study := load_study(path)).data.source == "hub"
}


def test_every_study_of_hub_data_is_described_with_its_metric():
    rows = re.findall(r"^\| \[[\w/]+\]\(\.\./\.\./(\S+)\) \| (\w+) \|", GUIDE, re.MULTILINE)
    assert len(rows) >= 14
    assert dict(rows) == {path: study.metric for path, study in STUDIES.items() if not path.startswith("configs/papers/")}


def test_the_study_of_a_paper_is_described_with_its_small_version_and_every_arm():
    assert "(papers.md)" in GUIDE
    files = sorted((ROOT / "configs" / "papers").glob("*.yaml"))
    assert len(files) >= 4
    for path in files:
        sections = [part for part in PAPERS.split("\n## ")[1:] if f"(../../configs/papers/{path.name})" in part]
        assert len(sections) == 1, path.name
        assert f"(../../configs/papers/small/{path.name})" in sections[0]
        arms = {*load_study(path).arms, *load_study(path.parent / "small" / path.name).arms}
        assert {arm for arm in arms if f"`{arm}`" not in sections[0]} == set(), path.name


def test_the_commits_are_those_of_the_guide():
    pinned = dict(re.findall(r"^\| (\S+/\S+) \| (?:branch )?(\S+) \|", GUIDE.partition("## Pinned commits")[2], re.MULTILINE))
    used = {study.encoder.checkpoint: study.encoder.revision for study in STUDIES.values()}
    used |= {study.data.name: study.data.revision for study in STUDIES.values()}
    assert len(used) >= 8
    assert pinned == used
