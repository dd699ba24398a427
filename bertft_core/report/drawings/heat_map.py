"""A table of means, shaded from the worst to the best: two settings of a grid."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from bertft_core.report.formatting import numbers
from bertft_core.report.svg import Drawing

LEFT, TOP, CELL_HEIGHT = 170, 56, 40
WIDEST, NARROWEST = 150, 70
LONGEST_NAME = 20
LEAST_SHADE, MOST_SHADE = 0.06, 0.6


def heat_map(
    rows: Sequence[str], columns: Sequence[str], means: Mapping[tuple[int, int], float], labels: tuple[str, str, str], sign: float
) -> Markup:
    """`means` by position of row and column; `labels` of rows, columns and means; `sign` is −1 where lower means are better."""
    cell = max(NARROWEST, min(WIDEST, 640 // max(1, len(columns))))
    low, high = min(means.values(), default=0.0), max(means.values(), default=0.0)
    spoken = " ".join(f"{rows[i]}, {columns[j]}: {numbers.score(mean)}." for (i, j), mean in means.items())
    title = f"{labels[2]} by {labels[0]} and {labels[1]}. {spoken}"
    drawing = Drawing(LEFT + cell * len(columns) + 20, TOP + CELL_HEIGHT * len(rows) + 16, title)
    drawing.text((LEFT, TOP - 34), labels[1], "label")
    drawing.text((LEFT - 12, TOP - 12), labels[0], "label end")
    for j, column in enumerate(columns):
        drawing.text((LEFT + cell * (j + 0.5), TOP - 12), numbers.shortened(column, cell // 8), "name middle")
    for i, row in enumerate(rows):
        drawing.text((LEFT - 12, TOP + CELL_HEIGHT * (i + 0.5) + 5), numbers.shortened(row, LONGEST_NAME), "arm end")
        for j, column in enumerate(columns):
            at, mean = (LEFT + cell * j, TOP + CELL_HEIGHT * i), means.get((i, j))
            corner = (at[0] + cell, at[1] + CELL_HEIGHT)
            if mean is None:
                drawing.box(at, corner, "cell none", f"{row}, {column}: no score")
                continue
            share = 0.5 if high == low else (mean - low) / (high - low)
            shade = LEAST_SHADE + (MOST_SHADE - LEAST_SHADE) * (share if sign > 0 else 1 - share)
            drawing.box(at, corner, "cell", f"{row}, {column}: {numbers.score(mean)}", shade)
            drawing.text((at[0] + cell / 2, at[1] + 25), numbers.score(mean), "on middle bold")
    return drawing.svg()
