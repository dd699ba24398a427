"""How large the product is: lines and statements of Python by package, and how many test assertions compare English.

python benchmarks/code_size.py [ROOT]
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

PRODUCT = ("flows", "tasks", "bertft_core")
SENTENCE = re.compile(r"[A-Za-z]{2,} [A-Za-z]{2,} [A-Za-z]{2,}")
"""Three words in a row, which no identifier, path or table row has."""


def trees(root: Path, folder: str) -> Iterator[tuple[str, ast.Module]]:
    """Text and syntax tree of each Python file below a folder."""
    for path in sorted((root / folder).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        yield text, ast.parse(text)


def size_of(root: Path, folder: str) -> tuple[int, int, int]:
    """Files, lines and statements (`ast.stmt`, nested ones too) below a folder."""
    found = [(text.count("\n"), sum(isinstance(node, ast.stmt) for node in ast.walk(tree))) for text, tree in trees(root, folder)]
    return len(found), sum(lines for lines, _ in found), sum(statements for _, statements in found)


def english_assertions(root: Path) -> int:
    """Assertions of the tests, and patterns of `pytest.raises(match=…)`, that hold a string of three English words or more."""
    return sum(_compares_english(node) for _, tree in trees(root, "tests") for node in ast.walk(tree))


def _compares_english(node: ast.AST) -> bool:
    if isinstance(node, ast.Assert):
        parts: list[ast.AST] = [node.test]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "raises":
        parts = [keyword.value for keyword in node.keywords if keyword.arg == "match"]
    else:
        return False
    strings = (inner.value for part in parts for inner in ast.walk(part) if isinstance(inner, ast.Constant))
    return any(isinstance(value, str) and SENTENCE.search(value) for value in strings)


def main(root: Path) -> None:
    """Print a row for each package, the total, and the assertions."""
    rows = [(folder, *size_of(root, folder)) for folder in PRODUCT]
    rows.append(("product", *(sum(row[column] for row in rows) for column in (1, 2, 3))))  # type: ignore[misc, arg-type]
    rows.append(("tests", *size_of(root, "tests")))
    print(f"{'folder':<12}{'files':>8}{'lines':>8}{'statements':>12}")
    for folder, files, lines, statements in rows:
        print(f"{folder:<12}{files:>8}{lines:>8}{statements:>12}")
    print(f"test assertions that compare English: {english_assertions(root)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1])
