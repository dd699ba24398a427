"""Data sets of the Hugging Face hub, by name, configuration and revision."""

import re
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from bertft_core.config.data_settings import HubData
from bertft_core.config.errors import UserError, did_you_mean
from bertft_core.data.columns import nearest_column, place_columns
from bertft_core.data.examples import RawSplit, ReadExample, Row, read_split, shorten
from bertft_core.data.marks import Wanted, with_marks
from bertft_core.data.readers.column_hints import hint_of_usual
from bertft_core.data.readers.file_options import FileOptions
from bertft_core.data.sentences import put_together

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)
UNLABELLED = -1
"""Value of a withheld label in a ClassLabel column."""


def read_hub(data: HubData, wanted: Wanted, read_example: ReadExample, head: str) -> dict[str, RawSplit]:
    """Every split that the study names; raises `UserError` for a missing data set, split, column or label."""
    named = {"train": data.train, "validation": data.validation, "test": data.test} | data.out_of_domain
    there_of = {split: there for split, there in named.items() if there is not None}
    loaded = _load(data)
    for split, there in there_of.items():
        if there not in loaded:
            hint = did_you_mean(there, loaded) or f"name one of them as data.{split}"
            raise UserError(
                f"the data set has no split '{there}'",
                code="hub.no-split",
                path=_title(data),
                found=f"the splits {', '.join(loaded)}",
                expected=f"the split '{there}'",
                hint=hint + ("; data.validation: null cuts one from train" if split == "validation" else ""),
            )
    splits = {}
    for split, there in there_of.items():
        path = f"{_title(data)}[{there}]"
        _refuse_too_many(len(loaded[there]), data.max_rows, path)
        rows = _rows(loaded[there], wanted, path, head)
        if data.sentence is not None:
            rows = put_together(rows, path, data.sentence)
        splits[split] = read_split(rows, name=split, path=path, read_example=with_marks(read_example, wanted.marks))
    return splits


def _title(data: HubData) -> str:
    return data.name + (f"/{data.config}" if data.config else "") + (f"@{data.revision}" if data.revision else "")


def _load(data: HubData) -> Any:
    import datasets
    from datasets.packaged_modules import _PACKAGED_DATASETS_MODULES

    _refuse_local(data, _PACKAGED_DATASETS_MODULES)
    datasets.disable_progress_bars()
    try:
        return datasets.load_dataset(data.name, data.config, revision=data.revision)
    except Exception as error:  # network, name, configuration, format: the user needs one message
        raise UserError(
            "the data set cannot be loaded from the Hugging Face hub",
            code="hub.unavailable",
            path=_title(data),
            found=shorten(str(error) or type(error).__name__, 300),
            expected="a data set of files (no script) with this name, configuration and revision",
            hint="check data.name, data.config, data.revision and the network, or download it and use source: files",
        ) from None


def _refuse_local(data: HubData, readers: Collection[str]) -> None:
    """The library reads a local folder or file in place of a data set of the hub that has the same name.

    `readers` are names such as `csv`, by which it reads files of the current folder.
    """
    found = f"a file or folder {data.name} in the current folder"
    if data.name in readers:
        found = f"{data.name}, by which the library datasets reads files of the current folder"
    elif not HUB_NAME.fullmatch(data.name):
        found = "a local path"
    elif not Path(data.name).exists():
        return
    raise UserError(
        "this would not be read from the Hugging Face hub",
        code="hub.local-name",
        path=_title(data),
        found=found,
        expected="a name such as nyu-mll/glue, and nothing local of that name",
        hint="use source: files for local data, or start bertft in another folder",
    )


def _refuse_too_many(n: int, max_rows: int, path: str) -> None:
    if n > max_rows:
        raise UserError(
            "the split has too many rows to be read into memory",
            code="hub.too-many-rows",
            path=path,
            found=f"{n:,} rows",
            expected=f"at most {max_rows:,} rows (data.max_rows)",
            hint="raise data.max_rows if the memory suffices, or download a part of it and use source: files",
        )


def _rows(split: Any, wanted: Wanted, path: str, head: str) -> Iterator[Row]:
    found = split.column_names
    hint = partial(hint_of_usual, wanted.required, found, FileOptions(head=head))
    places: list[int | None] = [*place_columns(wanted.required, found, path=path, line=1, hint=hint)]
    places += [nearest_column(name, found) for name in wanted.optional]
    there = [None if place is None else found[place] for place in places]
    names = [None if column is None else class_names(split.features[column]) for column in there]
    cells = zip(*([None] * len(split) if column is None else split[column] for column in there), strict=True)
    for row, values in enumerate(cells, start=1):
        yield row, tuple(named(value, known, path, row) for value, known in zip(values, names, strict=True))


def class_names(feature: Any) -> list[str] | None:
    """Label names of a ClassLabel column, or of a column of lists of them."""
    return getattr(feature, "names", None) or getattr(getattr(feature, "feature", None), "names", None)


def named(value: Any, names: list[str] | None, path: str, row: int) -> Any:
    if names is None or value is None:
        return value
    if isinstance(value, list):
        return [named(item, names, path, row) for item in value]
    if value == UNLABELLED:
        raise UserError(
            "the split has no labels",
            code="hub.no-labels",
            path=path,
            line=row,
            found=f"label {UNLABELLED}, a withheld label",
            expected=f"one of {shorten(', '.join(names), 200)}",
            hint="choose a labelled split, or remove data.test and set data.split.test_ratio",
        )
    return names[value]
