"""What a terminal shows of a running study: one line for each running run, one for each arm's finished runs, and links."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bertft_core.control_characters import in_one_line, visible
from bertft_core.report.formatting import numbers
from tasks.progress_snapshot import WORDS, ArmProgress, Snapshot, clock
from tasks.running_runs import RunningRun

BAR_WIDTH = 24
SPEED_FROM, LOSS_FROM = 90, 76
"""Columns of a terminal from which there is room for a run's speed, and for its loss."""
OTHER_LINES = 8
"""Of the screen's height, what is not for running runs."""


def live_view(study: str, snapshot: Snapshot, *, width: int, height: int, blocks: bool = True) -> RenderableType:
    """The whole view; `blocks` where the terminal has the characters for a bar."""
    parts: list[RenderableType] = [_headline(study, snapshot), _bar(snapshot, blocks=blocks)]
    shown = snapshot.running[: max(1, height - OTHER_LINES - len(snapshot.arms))]
    if shown:
        parts.append(_grid([list(_cells(run, width)) for run in shown]))
    if more := len(snapshot.running) - len(shown):
        parts.append(_text(f"  and {more} more at once", "dim"))
    if finished := [list(_of_arm(arm)) for arm in snapshot.arms if arm.done]:
        parts.append(_grid(finished, style="dim", numbers_from=9))
    parts += [_link(tool, address) for tool, address in snapshot.links]
    return Group(*parts)


def _headline(study: str, snapshot: Snapshot) -> Text:
    words = [f"{in_one_line(study)}: {WORDS[snapshot.stage]}"]
    if snapshot.planned:
        words.append(f"{snapshot.done}/{snapshot.planned} runs")
    if snapshot.stage in ("search", "seeds") and snapshot.done == snapshot.reused < snapshot.planned and _is_idle(snapshot):
        words.append("workers are starting")
    if snapshot.trained:
        words.append(f"{snapshot.trained} more trained")
    if snapshot.reused:
        words.append(f"{snapshot.reused} from earlier")
    text = _text(" · ".join(words), "bold")
    if snapshot.failed:
        text.append(f" · {snapshot.failed} failed", "bold red")
    if snapshot.waits_for:
        text.append(f" · {visible(snapshot.waits_for)}", "yellow")
    return text


def _is_idle(snapshot: Snapshot) -> bool:
    """No run is under way, and none waits for anything but a worker."""
    return not (snapshot.running or snapshot.trained or snapshot.waits_for)


def _bar(snapshot: Snapshot, *, blocks: bool) -> Text:
    filled = round(snapshot.share * BAR_WIDTH)
    full, empty = ("█", "░") if blocks else ("#", "-")
    bar = _text(full * filled, "green")
    bar.append(empty * (BAR_WIDTH - filled), "dim")
    bar.append(f" {clock(snapshot.seconds_elapsed)}")
    if snapshot.stage in ("prepare", "search", "seeds"):
        unknown = snapshot.seconds_left is None
        bar.append(" · time left unknown yet" if unknown else f" · about {clock(snapshot.seconds_left or 0.0)} left")
    return bar


def _cells(run: RunningRun, width: int) -> Iterator[str]:
    """Title, steps, loss, metric, speed and time left: as many as the width has room for."""
    yield f"  {in_one_line(run.title)}"
    unit = " steps" if width >= LOSS_FROM else ""
    yield f"{run.step}/{run.planned_steps}{unit}" if run.planned_steps else "starting"
    if width >= LOSS_FROM:
        yield "" if run.loss is None else f"loss {numbers.score(run.loss)}"
    yield "" if run.score is None else f"{run.metric} {numbers.score(run.score)}"
    if width >= SPEED_FROM:
        yield "" if run.examples_per_second is None else f"{run.examples_per_second:,.0f} examples/s"
    if run.doing == "predicting":
        yield "predicting"
    else:
        yield "" if run.seconds_left is None else f"{clock(max(1.0, run.seconds_left))} left"


def _of_arm(arm: ArmProgress) -> Iterator[str]:
    """Name, runs that ended, and the range of their best validation scores."""
    yield f"  {in_one_line(arm.arm)}"
    yield f"{arm.done}/{arm.planned} done"
    low, high = (min(arm.scores), max(arm.scores)) if arm.scores else (None, None)
    span = numbers.score(low) if low == high else f"{numbers.score(low)} to {numbers.score(high)}"
    yield f"validation {arm.metric} {span}" if arm.scores else ""


def _link(tool: str, address: str) -> Text:
    """In one piece, however long: a terminal opens what it can see whole."""
    return Text(f"  {tool:<9} {visible(address)}", no_wrap=False, overflow="fold")


def _grid(rows: list[list[str]], style: str = "", *, numbers_from: int = 1) -> Table:
    """Aligned columns; from `numbers_from` on at their right."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    for n in range(len(rows[0])):
        grid.add_column(no_wrap=True, overflow="ellipsis", justify="left" if n < numbers_from else "right")
    for row in rows:
        grid.add_row(*(Text(cell, style) for cell in row))
    return grid


def _text(words: str, style: str = "") -> Text:
    return Text(words, style, no_wrap=True, overflow="ellipsis")
