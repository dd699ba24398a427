"""A table of means, shaded from the worst to the best: two settings of a grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bertft_core.report.drawings.look import PAGE, Look
from bertft_core.report.drawings.sheet import drawing
from bertft_core.report.drawings.table_sheet import CellTable, table_sheet
from bertft_core.report.formatting import numbers

if TYPE_CHECKING:
    from bertft_core.report.drawings.study_figure import StudyFigure

TABLE = CellTable(height=40, narrowest=70)
LEAST_SHADE, MOST_SHADE = 0.06, 0.6


@drawing
def heat_map(
    rows: Sequence[str],
    columns: Sequence[str],
    means: Mapping[tuple[int, int], float],
    labels: tuple[str, str, str],
    sign: float,
    *,
    look: Look = PAGE,
) -> StudyFigure:
    """`means` by position of row and column; `labels` of rows, columns and means; `sign` is −1 where lower means are better."""
    low, high = min(means.values(), default=0.0), max(means.values(), default=0.0)
    spoken = " ".join(f"{rows[i]}, {columns[j]}: {numbers.score(mean)}." for (i, j), mean in means.items())
    sheet = table_sheet(look, TABLE, rows, columns, f"{labels[2]} by {labels[0]} and {labels[1]}. {spoken}")
    sheet.words((0, 1), labels[1], "label", aside=(0, 34), of="axes fraction")
    sheet.words((0, 1), labels[0], "label", "right", aside=(-12, 12), of="axes fraction")
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            mean = means.get((i, j))
            if mean is None:
                sheet.box((j, i), (j + 1, i + 1), "panel", "cell none", f"{row}, {column}: no score", opacity=1.0, edge=2.0)
                continue
            share = 0.5 if high == low else (mean - low) / (high - low)
            shade = LEAST_SHADE + (MOST_SHADE - LEAST_SHADE) * (share if sign > 0 else 1 - share)
            said = f"{row}, {column}: {numbers.score(mean)}"
            sheet.box((j, i), (j + 1, i + 1), "shade", "cell", said, opacity=shade, edge=2.0)
            sheet.words((j + 0.5, i + 0.5), numbers.score(mean), "on", "center", aside=(0, -5))
    return sheet.figure
