"""Tables with one word per row: the rows of a sentence are put together, by the number or name that they share."""

import math
from collections.abc import Iterable, Iterator

from bertft_core.config import UserError
from bertft_core.data.cells import is_visible
from bertft_core.data.examples import Row, as_found, shorten


def put_together(rows: Iterable[Row], path: str, column: str) -> Iterator[Row]:
    """(first line, (words, tags, line of each word)) from rows of (word, tag, sentence).

    Further cells are those of the first row of a sentence. An empty cell continues it. Raises `UserError` for a word before the
    first one, and for a sentence whose rows are not together.
    """
    name: object = None
    seen: set[object] = set()
    lines: list[int] = []
    words: list[object] = []
    tags: list[object] = []
    further: list[object] = []
    for line, (word, tag, given, *more) in rows:
        if not _is_empty(given) and given != name:
            if words:
                yield lines[0], (words, tags, tuple(lines), *further)
            if given in seen or not isinstance(given, str | int | float):
                raise _not_together(path, line, column, given)
            seen.add(given)
            name, lines, words, tags, further = given, [], [], [], more
        elif name is None:
            raise UserError(
                "the word belongs to no sentence",
                code="words.no-sentence",
                path=path,
                line=line,
                found=f"an empty cell in '{column}' beside '{shorten(str(word))}'",
                expected="the number or name of a sentence in the first row",
                hint="fill it in, or correct data.sentence",
            )
        lines.append(line)
        words.append(word)
        tags.append(tag)
    if words:
        yield lines[0], (words, tags, tuple(lines), *further)


def _is_empty(cell: object) -> bool:
    """Nothing, invisible characters only, or NaN: what pandas writes for an empty cell beside numbers."""
    return cell is None or (isinstance(cell, str) and not is_visible(cell)) or (isinstance(cell, float) and math.isnan(cell))


def _not_together(path: str, line: int, column: str, given: object) -> UserError:
    known = isinstance(given, str | int | float)
    return UserError(
        "the rows of a sentence are not together" if known else f"the cell in column '{column}' names no sentence",
        code="words.sentence-apart",
        path=path,
        line=line,
        found=f"'{shorten(str(given))}' again, after another sentence" if known else as_found(given),
        expected=f"the words of a sentence in rows one after another, with the same number or name in '{column}'",
        hint="sort the rows by sentence, or give each sentence a number of its own",
    )
