"""Tables of plain text: columns aligned with spaces, without colours, so that they read the same in a log file."""

from collections.abc import Sequence

from bertft_core.control_characters import in_one_line


def aligned(rows: Sequence[Sequence[str]], *, indent: str = "", right: Sequence[int] = ()) -> str:
    """Rows [n][columns], header included, as lines without a final newline; `right` names right-aligned columns."""
    rows = [[in_one_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = (
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append((indent + "  ".join(cells)).rstrip())
    return "\n".join(lines)
