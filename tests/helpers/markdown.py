"""The Markdown files of the project, and the fenced blocks in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text with the last line end, and the line it starts on."""

    language: str
    text: str
    line: int


def blocks(path: Path, *languages: str) -> list[Block]:
    """The fenced blocks of a file, in order; of all languages when none is named."""
    text = path.read_text(encoding="utf-8")
    found = [Block(match[1], match[2], text.count("\n", 0, match.start()) + 1) for match in FENCE.finditer(text)]
    return [block for block in found if not languages or block.language in languages]


def documents() -> list[Path]:
    """Every Markdown file of the project."""
    folders = ("docs", "bertft_core", "benchmarks", "tests", "configs")
    return sorted([*ROOT.glob("*.md"), *(path for folder in folders for path in (ROOT / folder).rglob("*.md"))])


def paths_in(tree: Block) -> list[str]:
    """The paths an annotated tree draws by indentation; `<name>` stands for any name."""
    paths: list[str] = []
    above: list[str] = []
    for line in tree.text.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        above = [*above[:depth], re.sub("<[^>]+>", "*", line.split()[0]).rstrip("/")]
        paths.append("/".join(above))
    return paths
