"""A table for a paper, written as LaTeX, Markdown, CSV and JSON."""

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from bertft_core.report.formatting import escapes
from bertft_core.storage.study_dir import write_atomically

Value = str | int | float | bool | None
MOST_LETTERS = 50
"""In the line of a table in small type that fits into a column of 3.2 inches."""
GAP = 2
"""Between two columns, in letters."""


@dataclass(frozen=True)
class TableCell:
    """One printed cell."""

    words: str
    bold: bool = False


@dataclass(frozen=True)
class Column:
    """A heading, and how the column is set."""

    title: str
    align: Literal["l", "r"] = "r"


@dataclass(frozen=True)
class PaperTable:
    """What is printed, and the same as plain numbers."""

    name: str
    """Of its files, and of its label in LaTeX."""
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[TableCell]]
    records: Sequence[Mapping[str, Value]]
    """One for each number or pair, not rounded: what CSV and JSON hold."""


def latex(table: PaperTable) -> str:
    """A `table` environment with the rules of the booktabs package (`\\usepackage{booktabs}`).

    A row is set as a column where that is narrower. What does not fit into one column of a page with two takes both, as `table*`.
    """
    table = _narrow(table)
    environment = "table" if _letters(table) <= MOST_LETTERS else "table*"
    head = " & ".join(escapes.latex(column.title) for column in table.columns)
    body = [" & ".join(rf"\textbf{{{words}}}" if bold else words for words, bold in row) for row in _cells(table, escapes.latex)]
    lines = [
        rf"\begin{{{environment}}}[t]",
        r"\centering\small\setlength{\tabcolsep}{4pt}",
        rf"\begin{{tabular}}{{{''.join(column.align for column in table.columns)}}}",
        r"\toprule",
        rf"{head} \\",
        r"\midrule",
        *(rf"{line} \\" for line in body),
        r"\bottomrule",
        r"\end{tabular}",
        rf"\caption{{{escapes.latex(table.caption)}}}",
        rf"\label{{tab:{table.name}}}",
        rf"\end{{{environment}}}",
    ]
    return "\n".join(lines) + "\n"


def _narrow(table: PaperTable) -> PaperTable:
    """With the title of each column before its cells, where there are more columns than rows."""
    if len(table.columns) <= len(table.rows) + 1:
        return table
    first, *others = table.columns
    columns = [first, *(Column(row[0].words) for row in table.rows)]
    rows = [[TableCell(column.title), *(row[i] for row in table.rows)] for i, column in enumerate(others, start=1)]
    return replace(table, columns=columns, rows=rows)


def _letters(table: PaperTable) -> int:
    """Of the longest cells of all columns, and of the gaps between them."""
    lines = [[column.title for column in table.columns], *([cell.words for cell in row] for row in table.rows)]
    return sum(max(map(len, cells)) + GAP for cells in zip(*lines, strict=True))


def markdown(table: PaperTable) -> str:
    """A table of GitHub's Markdown with its caption below."""
    rules = ["---" if column.align == "l" else "---:" for column in table.columns]
    rows = [[f"**{words}**" if bold else words for words, bold in row] for row in _cells(table, escapes.markdown)]
    lines = [f"| {' | '.join(cells)} |" for cells in ([escapes.markdown(column.title) for column in table.columns], rules, *rows)]
    return "\n".join([*lines, "", escapes.markdown(table.caption)]) + "\n"


def _cells(table: PaperTable, escape: Callable[[str], str]) -> list[list[tuple[str, bool]]]:
    return [[(escape(cell.words), cell.bold) for cell in row] for row in table.rows]


def csv_text(table: PaperTable) -> str:
    """The records, one in each line; a number that does not exist is an empty cell."""
    return csv_of(table.records)


def csv_of(records: Sequence[Mapping[str, Value]]) -> str:
    """Records as lines of CSV under a header of all their names; what a record lacks is an empty cell."""
    file = io.StringIO(newline="")
    columns = dict.fromkeys(name for record in records for name in record)
    writer = csv.DictWriter(file, list(columns), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: escapes.csv_cell(value) for name, value in record.items()} for record in records)
    return file.getvalue()


def json_text(table: PaperTable) -> str:
    """The caption and the records; a number that does not exist, or overflowed, is null."""
    rows = [{name: _finite(value) for name, value in record.items()} for record in table.records]
    found = {"caption": table.caption, "rows": rows}
    return json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _finite(value: Value) -> Value:
    """JSON knows no infinity: the deviation of perplexities that all but overflow is one."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


FORMATS = {"tex": latex, "md": markdown, "csv": csv_text, "json": json_text}
"""Ending of the file → what it holds."""


def write_tables(tables: Sequence[PaperTable], directory: Path) -> list[Path]:
    """Write every table in every format; returns the paths."""
    paths = []
    for table in tables:
        for ending, text in FORMATS.items():
            path = directory / f"{table.name}.{ending}"
            write_atomically(path, text(table))
            paths.append(path)
    return paths
