"""The site of the documentation has every page, and links that lead out of it say where to."""

from __future__ import annotations

import importlib.util
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from tests.helpers.markdown import ROOT

DOCS = ROOT / "docs"


def pages_in(entries: list[Any]) -> list[str]:
    """The pages of a navigation, in its order."""
    found: list[str] = []
    for entry in entries:
        for each in entry.values() if isinstance(entry, dict) else [entry]:
            found += pages_in(each) if isinstance(each, list) else [each]
    return found


def test_the_navigation_has_every_page_once():
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert sorted(pages_in(site["nav"])) == sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))


def test_links_out_of_the_site_become_paths_and_others_stay():
    page = SimpleNamespace(file=SimpleNamespace(src_uri="guides/seeds.md"))
    pages = "[here](your-data.md#splits), [there](https://example.org/a), [below](#x)"
    kept = f"{pages}, ![seen](../images/report.png), [gone](../../gone.md)"
    on_page_markdown = runpy.run_path(str(DOCS / "links_out.py"))["on_page_markdown"]
    made = on_page_markdown(f"[the study](../../configs/quickstart.yaml), {kept}", page, {"docs_dir": str(DOCS)}, None)
    assert made == f"the study (`configs/quickstart.yaml`), {kept}"


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path: Path):
    assert importlib.util.find_spec("mkdocs"), "make install EXTRAS=docs"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    assert "load_study" in (tmp_path / "site" / "api" / "index.html").read_text(encoding="utf-8")
