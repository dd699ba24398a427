"""Anybody's answers, from a data frame or a file: one row per arm, seed and example, checked row by row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bertft_core.config.errors import UserError
from bertft_core.config.paths import checked_path
from bertft_core.data.columns import nearest_column, place_columns
from bertft_core.data.examples import as_found, shorten
from bertft_core.data.readers import TABLES, ending_of, format_of
from bertft_core.data.readers.file_options import NO_KEYS
from bertft_core.data.readers.file_text import no_file
from bertft_core.library.answer_cells import OF_LABEL, number_in, seed_in, share_in, text_in

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("arm", "seed", "example", "label", "prediction")
SPLIT = "split"
DEFAULT_SPLIT = "test"

Run = tuple[str, int]
"""Arm and seed."""
Given = tuple[int, tuple[Any, ...]]
"""Line, from 1, and the cells of the wanted columns."""


class Answer(NamedTuple):
    """What one run says about one example."""

    line: int
    prediction: str
    shares: tuple[float, ...]
    """Probability of each label; empty where they are not given."""


@dataclass
class GivenAnswers:
    """The checked rows of one source: every run has answered the same examples of every split."""

    source: str
    """A file, or what the frame is called in messages."""
    labels: dict[str, dict[str, str]] = field(default_factory=dict)
    """Split → example → true label, in the order in which examples are first met."""
    answers: dict[str, dict[Run, dict[str, Answer]]] = field(default_factory=dict)
    """Split → run → example → answer."""
    share_labels: tuple[str, ...] = ()
    """The labels that probabilities are given of, in the order of their columns."""

    @property
    def runs(self) -> list[Run]:
        """Arms in the order in which they are first met, each with its seeds in rising order."""
        met = dict.fromkeys(run for of_split in self.answers.values() for run in of_split)
        place = {arm: i for i, arm in enumerate(dict.fromkeys(arm for arm, _ in met))}
        return sorted(met, key=lambda run: (place[run[0]], run[1]))

    @property
    def names(self) -> tuple[str, ...]:
        """Every label and prediction: in the order of the probabilities where these are given, else sorted."""
        given = {one.prediction for one in self.every}
        return tuple(dict.fromkeys([*self.share_labels, *sorted(self.true_labels | given)]))

    @property
    def every(self) -> Iterator[Answer]:
        """All answers."""
        return (one for runs in self.answers.values() for of_run in runs.values() for one in of_run.values())

    @cached_property
    def true_labels(self) -> set[str]:
        """Of all examples."""
        return {label for of_split in self.labels.values() for label in of_split.values()}

    @cached_property
    def are_numbers(self) -> bool:
        """All true labels are numbers, and not all labels and predictions are whole: answers of a regression."""
        if any(number_in(label) is None for label in self.true_labels):
            return False
        numbers = (number_in(name) for name in self.names)
        return any(number is not None and number != round(number) for number in numbers)

    @cached_property
    def unknown(self) -> dict[str, int]:
        """Prediction that is the true label of no example, nor named by a probability → how often it is given."""
        given, labels = Counter(one.prediction for one in self.every), self.true_labels.union(self.share_labels)
        return {} if self.are_numbers else {name: n for name, n in sorted(given.items()) if name not in labels}


def read_answers(given: pd.DataFrame | str | Path) -> GivenAnswers:
    """The answers of a data frame, or of a CSV, TSV, JSONL or Parquet file. Raises `UserError` with file and line."""
    found = _read_file(given) if isinstance(given, (str, Path)) else _read_frame(given)
    _refuse_no_numbers(found)
    _refuse_other_labels(found)
    return found


def _read_frame(given: pd.DataFrame) -> GivenAnswers:
    names, source = [str(name) for name in given.columns], "the frame"
    places = place_columns(COLUMNS, names, path=source, line=None, keys=False)
    shares = [name for name in names if name.startswith(OF_LABEL)]
    wanted = [*places, nearest_column(SPLIT, names), *map(names.index, shares)]
    columns = [[None] * len(given) if place is None else given.iloc[:, place].tolist() for place in wanted]
    return _checked(source, enumerate(zip(*columns, strict=True), start=1), [name.removeprefix(OF_LABEL) for name in shares])


def _read_file(given: str | Path) -> GivenAnswers:
    path = checked_path(given, "the file of predictions")
    if not path.is_file():
        raise no_file(path, "a file of predictions", "check the path")
    kind = format_of(path)
    if kind not in TABLES:
        raise UserError(
            "predictions cannot be read from this format",
            code="answers.format",
            path=path,
            found=ending_of(path),
            expected="a table: .csv, .tsv, .jsonl or .parquet",
            hint=f"write one row per run and example, with the columns {', '.join(COLUMNS)}",
        )
    first = _checked(str(path), TABLES[kind](path, COLUMNS, (SPLIT,), options=NO_KEYS), [])
    shares = [f"{OF_LABEL}{name}" for name in first.names]
    if first.are_numbers or not first.names:
        return first
    rows = list(TABLES[kind](path, COLUMNS, (SPLIT, *shares), options=NO_KEYS))
    known = [name for i, name in enumerate(first.names) if rows[0][1][len(COLUMNS) + 1 + i] is not None]
    if not known:
        return first
    kept = [first.names.index(name) + len(COLUMNS) + 1 for name in known]
    return _checked(str(path), ((line, (*cells[:6], *(cells[i] for i in kept))) for line, cells in rows), known)


def _checked(source: str, rows: Iterable[Given], share_labels: list[str]) -> GivenAnswers:
    found = GivenAnswers(source, share_labels=tuple(share_labels))
    lines: dict[tuple[str, str], int] = {}
    for line, (arm, seed, example, label, prediction, split, *shares) in rows:
        texts = {"arm": arm, "example": example, "label": label, "prediction": prediction}
        cells = {name: text_in(value, name, source, line) for name, value in texts.items()}
        at = DEFAULT_SPLIT if split is None or split == "" else str(split)
        run, key = (cells["arm"], seed_in(seed, source, line)), (at, cells["example"])
        known = found.labels.setdefault(at, {}).setdefault(cells["example"], cells["label"])
        if known != cells["label"]:
            raise _other_label(source, line, cells["example"], cells["label"], known, lines[key])
        lines.setdefault(key, line)
        of_run = found.answers.setdefault(at, {}).setdefault(run, {})
        if cells["example"] in of_run:
            raise _twice(source, line, run, cells["example"], of_run[cells["example"]].line)
        of_run[cells["example"]] = Answer(line, cells["prediction"], tuple(share_in(v, source, line) for v in shares))
    if not found.answers:
        raise UserError(
            "there are no predictions",
            code="answers.none",
            path=source,
            line=1,
            found="no rows",
            expected="one row per run and example",
            hint="add the rows below the names of the columns",
        )
    _refuse_gaps(found)
    return found


def _refuse_gaps(found: GivenAnswers) -> None:
    """Raise `UserError` for a run that lacks an example that another has answered."""
    for split, runs in found.answers.items():
        wanted = found.labels[split]
        for arm, seed in found.runs:
            of_run = runs.get((arm, seed), {})
            missing = [example for example in wanted if example not in of_run]
            if missing:
                raise UserError(
                    f"a run has not answered every example of '{split}'",
                    code="answers.other-examples",
                    path=found.source,
                    line=next((answer.line for answer in of_run.values()), None),
                    found=f"arm {shorten(arm)}, seed {seed} lacks {len(missing)} of {len(wanted)} examples: "
                    + shorten(", ".join(missing[:5])),
                    expected="every run with a prediction for each example",
                    hint="add the missing rows, or leave these examples out for every run",
                )


def _refuse_no_numbers(found: GivenAnswers) -> None:
    """Raise `UserError` for an answer of a regression that is none."""
    bad = next((one for one in found.every if number_in(one.prediction) is None), None) if found.are_numbers else None
    if bad is not None:
        raise UserError(
            "the prediction is not a number, and all labels are",
            code="answers.no-number",
            path=found.source,
            line=bad.line,
            found=as_found(bad.prediction),
            expected="a finite number, with a point before its decimals",
            hint="correct it, or leave the example out for every run",
        )


def _refuse_other_labels(found: GivenAnswers) -> None:
    """Raise `UserError` where no prediction at all is a label, such as `true` for `True`."""
    answers = list(found.every)
    if sum(found.unknown.values()) == len(answers):
        raise UserError(
            "no prediction is the label of any example",
            code="answers.other-labels",
            path=found.source,
            line=answers[0].line,
            found=as_found(answers[0].prediction),
            expected=f"one of the labels: {shorten(', '.join(sorted(found.true_labels)))}",
            hint="spell predictions as the labels are spelled",
        )


def _other_label(source: str, line: int, example: str, label: str, known: str, first: int) -> UserError:
    return UserError(
        f"the example '{shorten(example)}' has two labels",
        code="answers.two-labels",
        path=source,
        line=line,
        found=shorten(label),
        expected=f"{shorten(known)}, as in line {first}",
        hint="correct the label; it is the true one and so the same in every run",
    )


def _twice(source: str, line: int, run: Run, example: str, first: int) -> UserError:
    return UserError(
        "a run has two predictions for one example",
        code="answers.twice",
        path=source,
        line=line,
        found=f"arm {shorten(run[0])}, seed {run[1]}, example {shorten(example)}, as in line {first}",
        expected="each example once in a run",
        hint="remove one of the rows, or name the split of each in a column 'split'",
    )
