"""Links from the runs that a page names to their pages in MLflow, added once it is known where a browser finds these.

A page marks a run as `<span class="run" data-run="DIGEST">`. Written to disk it has no links: MLflow's pages of a home have an
address only while `bertft ui` runs.
"""

import html
import re
from collections.abc import Mapping
from pathlib import Path

from bertft_core.report.report_seal import seal_again
from bertft_core.storage.study_dir import StudyDir, write_atomically

MARKED = re.compile(r'<(span|a) class="run" data-run="(?P<digest>[0-9a-f]+)"[^>]*>(?P<text>.*?)</\1>', re.DOTALL)

LINKED = re.compile(r'<a class="run" data-run="(?P<digest>[0-9a-f]+)" href="(?P<href>[^"]*)"')


def with_run_links(page: str, addresses: Mapping[str, str]) -> str:
    """The page with a link at every run that has an address (run digest → address); the others stay as they are."""

    def link(found: re.Match[str]) -> str:
        address = addresses.get(found["digest"])
        if address is None:
            return found[0]
        href = html.escape(address)
        return f'<a class="run" data-run="{found["digest"]}" href="{href}" target="_blank" rel="noopener">{found["text"]}</a>'

    return MARKED.sub(link, page)


def run_links_of(path: Path) -> dict[str, str]:
    """Run digest → address of the links in the page at `path`; none where there is no page."""
    if not path.exists():
        return {}
    return {found["digest"]: html.unescape(found["href"]) for found in LINKED.finditer(path.read_text(encoding="utf-8"))}


def link_report(study_dir: StudyDir, addresses: Mapping[str, str]) -> None:
    """Put the links into the report on disk; it still counts as made from the same records."""
    path = study_dir.report_dir / "report.html"
    page = path.read_text(encoding="utf-8")
    if (linked := with_run_links(page, addresses)) != page:
        write_atomically(path, linked)
        seal_again(study_dir)
