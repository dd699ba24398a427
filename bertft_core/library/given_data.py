"""Data that are in memory, as files of a study: from there on they are read and checked as any other file is."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bertft_core.config.data_settings import RESERVED_SPLITS
from bertft_core.config.errors import UserError
from bertft_core.data.hub_data import class_names, named
from bertft_core.storage.study_dir import StudyDir, write_atomically

FOLDER = "given"
"""In the study's folder."""
OF_FILES = ("source", *RESERVED_SPLITS, "out_of_domain", "format")
"""Keys of `data` that say where the examples are; the others say what they look like, and stay."""


class GivenFiles:
    """Files that replace those of an earlier call, unless the study is refused."""

    def __init__(self) -> None:
        self._before: dict[Path, bytes | None] = {}

    def write(self, path: Path, content: bytes | str) -> None:
        """Write a file, and remember what it was."""
        self._before.setdefault(path, path.read_bytes() if path.is_file() else None)
        write_atomically(path, content)

    def restore(self) -> None:
        """Put everything back: a call that was refused has not happened."""
        for path, content in self._before.items():
            if content is None:
                path.unlink(missing_ok=True)
            else:
                write_atomically(path, content)


def write_given(data: Mapping[str, Any], study_dir: StudyDir, files: GivenFiles) -> dict[str, Any]:
    """Write each frame as a Parquet file, and give the keys of `data` that name them. Raises `UserError` for anything else."""
    if "train" not in data:
        raise UserError(
            "data has no training set",
            code="given-data.no-train",
            found=", ".join(data) or "nothing",
            expected="a frame for 'train', and where there are any for 'validation', 'test' and other sets",
            hint="name the frame of the training set: data={'train': frame}",
        )
    paths = {split: study_dir.path / FOLDER / f"{split}.parquet" for split in data}
    contents = {split: _parquet(split, given) for split, given in data.items()}
    for split, content in contents.items():
        files.write(paths[split], content)
    other = {split: str(path.resolve()) for split, path in paths.items() if split not in RESERVED_SPLITS}
    named_splits = {split: str(path.resolve()) for split, path in paths.items() if split in RESERVED_SPLITS}
    return {"source": "files"} | named_splits | ({"out_of_domain": other} if other else {})


def _parquet(split: str, given: Any) -> bytes:
    frame = _frame(split, given)
    frame = frame.astype({name: "str" for name, dtype in frame.dtypes.items() if str(dtype) == "category"})
    content = io.BytesIO()
    frame.to_parquet(content, index=False)
    return content.getvalue()


def _frame(split: str, given: Any) -> Any:
    """A frame of pandas, or a data set of the library `datasets` with the names of its classes in place of their numbers."""
    if hasattr(given, "to_parquet") and hasattr(given, "iloc"):
        return given
    if not (hasattr(given, "to_pandas") and hasattr(given, "features")):
        raise UserError(
            f"the data of '{split}' are not a table",
            code="given-data.not-a-table",
            found=type(given).__name__,
            expected="a data frame of pandas, or a Dataset of the library datasets",
            hint="make a frame of them: pandas.DataFrame(rows), or name their file in the config",
        )
    frame = given.to_pandas()
    for name, feature in given.features.items():
        names = class_names(feature)
        if names is not None:
            cells = [value.tolist() if hasattr(value, "tolist") else value for value in frame[name]]
            frame[name] = [named(value, names, f"data['{split}']", row) for row, value in enumerate(cells, start=1)]
    return frame
