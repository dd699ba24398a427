"""The result table for the terminal, in plain text."""

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
    design = study_text.of_design(summary)
    lines += [design] if design is not None else []
    lines += [f"{variance_text.nondeterminism(floor, summary)}." for floor in summary.floors]
    missing = study_text.not_counted(summary)
    if missing:
        lines += [f"Runs with problems: {'; '.join(missing)}."]
    return "\n\n".join([*blocks, "\n".join(lines)])


def _block(summary: StudySummary, split: str) -> str:
    title = f"{summary.headline_metric} on {split}, {summary.headline_checkpoint} checkpoint"
    columns = ("arm", "runs", "mean", "sd", f"{numbers.percent(summary.level)} t-interval", "min", "max")
    rows = [_cells(row) for arm in summary.arms for row in summary_rows.result_rows(summary, arm, split)]
    return f"{title}\n{aligned([columns, *rows])}"


def _cells(row: summary_rows.ResultRow) -> tuple[str, ...]:
    runs, found = f"{row.n}/{row.n_planned}", row.metrics
    if found is None:
        return row.name, runs, numbers.score(row.ensemble), *[numbers.ABSENT] * 4
    mean, sd, low, high = (numbers.score(value) for value in (found.mean, found.sd, found.min, found.max))
    return row.name, runs, mean, sd, intervals.interval(found.t_low, found.t_high), low, high
