"""What `bertft recommend` is asked for: the keys of `data` that the user gives, and the file that is written."""

import re
from pathlib import Path
from typing import Any, NamedTuple

from bertft_core.config import StudyConfig, UserError
from bertft_core.config.data_settings import READING_KEYS, FileData
from bertft_core.config.yaml_text import read_value
from bertft_core.library.study_on_disk import is_config
from bertft_core.storage.output_file import check_output

GIVEN = (
    "text",
    "label",
    *READING_KEYS,
    "tokens",
    "tags",
    "sentence",
    "question",
    "context",
    "answers",
    "id",
    "format",
    "scheme",
    "text_unit",
)
"""Keys of `data` that a user can set before anything is concluded from the file."""


class RecommendRequest(NamedTuple):
    """The options of the command."""

    overrides: list[str]
    head: str | None
    text: list[str]
    label: str | None
    output: str | None
    force: bool


def given_keys(asked: RecommendRequest) -> dict[str, Any]:
    """Columns that the user gave, by options or as `--set data.KEY=`."""
    given: dict[str, Any] = {}
    for override in asked.overrides:
        key, equals, value = override.partition("=")
        if equals and re.fullmatch(rf"data\.({'|'.join(GIVEN)})", key.strip()):
            given[key.strip().removeprefix("data.")] = read_value(value)
    if len(asked.text) > 2:
        raise UserError(
            "--text takes one column, or two for a pair of texts",
            code="recommend.too-many-texts",
            found=f"--text {len(asked.text)} times",
            hint="name one or two columns",
        )
    if asked.text:
        given["text"] = asked.text[0] if len(asked.text) == 1 else asked.text
    return given | ({"label": asked.label} if asked.label else {})


def output_path(source: str, study: StudyConfig, asked: RecommendRequest, home: Path) -> Path:
    """Where the study goes: the given file, else beside the config or here; an existing file is kept, and what is read always."""
    if asked.output is not None:
        path = Path(asked.output)
    else:
        name = Path(source).stem if is_config(source) else study.name
        path = Path(f"{name.removesuffix('-recommended')}-recommended.yaml")
        path = Path(source).parent / path if is_config(source) else path
    if path.is_file() and not asked.force:
        raise UserError(
            "this file already exists",
            code="recommend.file-exists",
            path=path,
            found="a file",
            expected="a new file",
            hint="name another --output, or use --force to overwrite it",
        )
    if not path.parent.is_dir():
        raise UserError(
            "there is no such folder",
            code="recommend.no-folder",
            path=path.parent,
            found="nothing",
            expected="a folder",
            hint="create it, or name another --output",
        )
    data = study.data
    files = data.split_files.values() if isinstance(data, FileData) else ()
    return check_output(path, "--output", home=home, reads=[Path(file) for file in (source, *files) if file is not None])
