"""JSON whose objects know the line that they begin on, for error messages."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from bertft_core.config import UserError
from bertft_core.data.examples import shorten
from bertft_core.data.readers.file_options import DEFAULTS, WHOLE_RATIO, FileOptions
from bertft_core.data.readers.file_text import empty_file, text_of, too_large

STRING_OR_BRACE = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}]', re.DOTALL)


class ObjectWithLine(dict[str, Any]):
    """A JSON object with the line of its opening brace (from 1)."""

    line: int

    def __init__(self, pairs: list[tuple[str, Any]], line: int) -> None:
        super().__init__(pairs)
        self.line = line


def load_with_lines(path: Path, options: FileOptions = DEFAULTS) -> Any:
    """The value of a JSON file with every object as an `ObjectWithLine`; invalid JSON is a `UserError` with its line.

    The file may have an eighth of the usual size, because its objects take several times as much.
    """
    text = _whole(path, options)
    lines = _lines_in_closing_order(text)
    try:
        return json.loads(text, object_pairs_hook=lambda pairs: _with_line(pairs, path, next(lines)))
    except (ValueError, RecursionError) as error:  # also for numbers with thousands of digits and deeply nested lists
        raise UserError(
            "invalid JSON",
            code="json.invalid",
            path=path,
            line=error.lineno if isinstance(error, json.JSONDecodeError) else None,
            found=json_problem(error),
            expected="one JSON value",
            hint="correct the line; if each line is a separate object, rename the file to end in .jsonl",
        ) from None


def _whole(path: Path, options: FileOptions) -> str:
    limited = replace(options, max_bytes=options.max_bytes // WHOLE_RATIO)
    try:
        text = text_of(path, limited)
    except UserError as error:
        if error.code != "file.too-large":
            raise
        of = options.hint(f", 1/{WHOLE_RATIO} of data.max_gib", "")
        raise too_large(path, error.found or "", limited, f" for JSON{of}, because it is read as a whole") from None
    if not text.strip():
        raise empty_file(path, "one JSON value")
    return text


def _with_line(pairs: list[tuple[str, Any]], path: Path, line: int) -> ObjectWithLine:
    return ObjectWithLine(unique_keys(pairs, path, line), line)


def unique_keys(pairs: list[tuple[str, Any]], path: Path, line: int) -> list[tuple[str, Any]]:
    """The entries of an object; a `UserError` for a duplicate key, of which `json` would silently keep the last."""
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        raise UserError(
            f"duplicate key '{next(key for key in keys if keys.count(key) > 1)}' in one object",
            code="json.duplicate-key",
            path=path,
            line=line,
            found=shorten(", ".join(keys)),
            expected="unique keys",
            hint="remove or rename one of them",
        )
    return pairs


def json_problem(error: ValueError | RecursionError) -> str:
    """What `json` found wrong."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at column {error.colno}"
    return "values nested too deeply" if isinstance(error, RecursionError) else str(error).partition(";")[0]


def _lines_in_closing_order(text: str) -> Iterator[int]:
    """Opening lines of the objects, in the order in which they close: the order in which `json` builds them."""
    opened: list[int] = []
    line, position = 1, 0
    for token in STRING_OR_BRACE.finditer(text):
        if token.group() == "{":
            line += text.count("\n", position, token.start())
            position = token.start()
            opened.append(line)
        elif token.group() == "}":
            yield opened.pop()
