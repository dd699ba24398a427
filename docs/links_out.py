"""A hook of MkDocs: links to files of the repository that are no pages of the site become their paths, since a site is often read
without a checkout beside it. A link to nothing stays, so that the strict build fails on it.
"""

import re
from pathlib import Path
from typing import Any

LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([\w.][^)\s#:]*)(#[^)\s]*)?\)")


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Called by MkDocs for each page."""
    docs = Path(config["docs_dir"]).resolve()

    def shown(found: re.Match[str]) -> str:
        target = (docs / page.file.src_uri).parent.joinpath(found[2]).resolve()
        is_page = target.is_relative_to(docs) and target.suffix == ".md"
        if is_page or not target.exists() or not target.is_relative_to(docs.parent):
            return found[0]
        return f"{found[1]} (`{target.relative_to(docs.parent)}`)"

    return LINK.sub(shown, markdown)
