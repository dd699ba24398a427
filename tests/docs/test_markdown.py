"""Links of the documents lead somewhere, and their YAML is what it says: a study, or sections of one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bertft_core.config import StudyConfig, load_study, parse_study
from bertft_core.config.yaml_text import read_yaml
from tests.helpers.markdown import FENCE, ROOT, Block, blocks, documents

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
MINIMAL = {"name": "minimal", "data": {"source": "bundled", "name": "reviews"}, "arms": {"full": {}}}
DOCUMENTS = documents()
GUIDES = [path for path in DOCUMENTS if path.parent.name == "guides"]
MAX_LINES = 6
SNIPPETS = [(path, block) for path in DOCUMENTS for block in blocks(path, "yaml")]


def heading_anchors(path: Path) -> set[str]:
    """GitHub's names of the headings."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(path: Path, root: Path = ROOT) -> list[str]:
    """Links of a document to a file or heading that is not there; links to the web are not followed."""
    broken = []
    for link in LINK.findall(FENCE.sub("", path.read_text(encoding="utf-8"))):
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        is_there = target.exists() and target.is_relative_to(root)
        if not is_there or (anchor and anchor not in heading_anchors(target)):
            broken.append(link)
    return broken


def test_the_documents_are_found():
    names = {str(path.relative_to(ROOT)) for path in DOCUMENTS}
    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/guides/your-data.md"} <= names
    assert len(names) >= 14
    assert sum(len(LINK.findall(path.read_text(encoding="utf-8"))) for path in DOCUMENTS) >= 20


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_to_a_file(path):
    assert broken_links(path) == []


def test_a_broken_link_is_noticed(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("[gone](nowhere.md), [web](https://example.org), [self](#a-page)\n\n# A page\n\n[no](#b-page)\n")
    assert broken_links(page, tmp_path) == ["nowhere.md", "#b-page"]


PLACE = re.compile(r"`((?:bertft_core|flows|tasks|tests|configs|benchmarks|docs)/[\w/.-]+)`")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_that_a_document_names_is_there(path):
    named = PLACE.findall(path.read_text(encoding="utf-8"))
    assert [name for name in named if "KIND" not in name and not (ROOT / name).exists()] == []


LINK_TARGET = re.compile(r"\]\([^)]*\)")
MAX_COLUMNS = 100


def long_lines(text: str) -> list[int]:
    """Line numbers beyond 100 columns; tables, code, and the targets of links do not count."""
    without_code = FENCE.sub(lambda match: "\n" * match[0].count("\n"), text)
    lines = enumerate(without_code.splitlines(), start=1)
    return [n for n, line in lines if not line.startswith("|") and len(LINK_TARGET.sub("", line)) > MAX_COLUMNS]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_lines_have_at_most_100_columns(path):
    assert long_lines(path.read_text(encoding="utf-8")) == []


def test_a_long_line_is_noticed():
    words = "word " * 30
    assert long_lines(f"short\n\n| {words} |\n\n```text\n{words}\n```\n\n[a]({'x' * 200})\n\n{words}\n") == [11]


def long_paragraphs(text: str) -> list[str]:
    """How each begins, of those that nobody reads to the end; an item of a list is one, tables and code are none."""
    without = "\n".join("" if line.startswith(("|", "#")) else line for line in FENCE.sub("\n\n", text).splitlines())
    found = re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )", without)
    return [paragraph.strip()[:40] for paragraph in found if len(paragraph.strip().splitlines()) > MAX_LINES]


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.name)
def test_paragraphs_of_a_guide_are_short(path):
    assert long_paragraphs(path.read_text(encoding="utf-8")) == []


def test_a_long_paragraph_is_noticed():
    lines = "\n".join(["words"] * 7)
    assert long_paragraphs(f"# Title\n{lines[:-6]}\n\n- {lines}\n- item\n\n```text\n{lines}\n```\n\nEnd\n{lines}\n") == [
        f"- {lines}"[:40],
        f"End\n{lines}"[:40],
    ]


def is_study_or_part(value: Any) -> bool:
    """Top-level keys of a study only: then it must be one, alone or over a minimal study."""
    return isinstance(value, dict) and value.keys() <= StudyConfig.model_fields.keys()


@pytest.mark.parametrize(("path", "block"), SNIPPETS, ids=[f"{path.name}:{block.line}" for path, block in SNIPPETS])
def test_the_yaml_of_the_documents_is_valid(path: Path, block: Block):
    value = yaml.safe_load(block.text)
    if block.text.startswith("# prefect.yaml"):
        assert value["deployments"]
        return
    assert is_study_or_part(value), f"unknown keys in {sorted(value)}"
    values, _ = read_yaml(block.text, str(path))
    parse_study(values if MINIMAL.keys() <= values.keys() else MINIMAL | values)


def test_the_documents_hold_studies():
    assert len(SNIPPETS) >= 7
    assert sum(MINIMAL.keys() <= yaml.safe_load(block.text).keys() for _, block in SNIPPETS) >= 5


def test_every_committed_config_loads():
    configs = sorted((ROOT / "configs").rglob("*.yaml"))
    assert len(configs) >= 4
    assert len({load_study(path).name for path in configs}) == len(configs)


def test_decisions_have_a_number_and_four_parts():
    decisions = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert len(decisions) >= 8
    for n, path in enumerate(decisions, start=1):
        text = path.read_text(encoding="utf-8")
        assert path.name.startswith(f"{n:04d}-")
        assert text.startswith(f"# {n:04d} ")
        assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Summary", "Motivation", "Non-goals", "Consequences"], path.name
        assert len(text.splitlines()) <= 60, "one page"


def test_the_golden_numbers_have_an_entry_in_the_changelog():
    reason = json.loads((ROOT / "tests" / "golden" / "tiny_bert.json").read_text(encoding="utf-8"))["reason"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    tagged = re.findall(r"^- \*\*\[numbers\]\*\* (.*(?:\n  .*)*)", changelog, re.MULTILINE)
    entries = [" ".join(entry.split()) for entry in tagged]
    assert len(entries) >= 1
    assert any(reason.casefold() in entry.casefold() for entry in entries), f"no [numbers] entry says: {reason}"
