"""The result table for the terminal, in plain text."""

from __future__ import annotations

from bertft_core.records import StudySummary
from bertft_core.report import summary_rows
from bertft_core.report.formatting import intervals, numbers
from bertft_core.report.formatting.aligned_table import aligned
from bertft_core.report.prose import study_text, variance_text


def result_table(summary: StudySummary) -> str:
    """Every arm on the headline split, then on the others; the differences; runs with problems.

    'runs' is scored / planned. There are only spaces and no colours, so it reads the same in a log file.
    """
    blocks = [_block(summary, split) for split in summary_rows.splits_of(summary)]
    lines = study_text.sentences(summary)
    crossed = study_text.of_crossed(summary)
    lines += [crossed] if crossed is not None else []
    lines += [f"{variance_text.nondeterminism(floor, summary)}." for floor in summary.floors]
    missing = study_text.not_counted(summary)
    if missing:
        lines += [f"Runs with problems: {'; '.join(missing)}."]
    return "\n\n".join([*blocks, "\n".join(lines)])


def _block(summary: StudySummary, split: str) -> str:
    title = f"{summary.headline_metric} on {split}, {summary.headline_checkpoint} checkpoint"
    level = 0.95 if summary.adaptive is None else summary.adaptive.level
    columns = ("arm", "runs", "mean", "sd", f"{100 * level:.4g} % t-interval", "min", "max")
    rows = [columns, *(row for arm in range(len(summary.arms)) for row in _rows(summary, arm, split))]
    return f"{title}\n{aligned(rows)}"


def _rows(summary: StudySummary, position: int, split: str) -> list[tuple[str, ...]]:
    arm = summary.arms[position]
    rows = []
    for collapsed_included in (True, False):
        found = summary_rows.row_of(
            arm, split, summary.headline_checkpoint, summary.headline_metric, collapsed_included=collapsed_included
        )
        name = summary_rows.name_of(arm) if collapsed_included else f"{arm.arm} without collapsed"
        if found is not None:
            ends = intervals.interval(found.t_low, found.t_high)
            cells = [numbers.score(value) for value in (found.mean, found.sd, found.min, found.max)]
            rows.append((name, f"{found.n}/{arm.n_planned}", *cells[:2], ends, *cells[2:]))
        elif collapsed_included:
            rows.append((name, f"0/{arm.n_planned}", *[numbers.ABSENT] * 5))
    together = summary_rows.ensemble_score(arm, split, summary.headline_checkpoint, summary.headline_metric)
    if arm.ensemble is not None and together is not None:
        n = f"{len(arm.ensemble.seeds)}/{arm.n_planned}"
        rows.append((f"{arm.arm} ensemble", n, numbers.score(together), *[numbers.ABSENT] * 4))
    return rows
