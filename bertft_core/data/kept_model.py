"""A kept model is the one that its run saved: by the checksums in its record, else by what the run was asked for."""

import json
from collections.abc import Iterator
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from bertft_core.config.errors import UserError
from bertft_core.config.head_settings import HeadConfig
from bertft_core.data.tokenizer_names import TOKENIZER_FILES, TOKENIZER_SETTINGS
from bertft_core.records import RunRecord
from bertft_core.storage.damage import COPY_BACK, HEAD_FILE, MODEL, refuse_damaged_model
from bertft_core.storage.study_dir import file_sha256, problem_of_file


def refuse_changed_model(record: RunRecord, run_dir: Path) -> None:
    """Raise `UserError` for a kept model that is not the one that the run saved.

    Older records have a checksum of the weights alone. Beside them, head and labels must be those of the run, and the tokenizer
    that of its encoder, where that is still there.
    """
    refuse_damaged_model(record, run_dir)
    if f"{MODEL}/{HEAD_FILE}" in record.files:
        return
    for path, problem in _changes(record, run_dir / MODEL):
        raise UserError(
            f"the model of {record.spec.title} has been changed",
            code="model.changed",
            path=path,
            found=problem,
            expected="the head, the labels and the tokenizer of the run that saved it",
            hint=COPY_BACK,
        )


def _changes(record: RunRecord, model_dir: Path) -> Iterator[tuple[Path, str]]:
    spec = record.spec
    try:
        head = TypeAdapter(HeadConfig).validate_json((model_dir / HEAD_FILE).read_bytes())
    except (OSError, ValidationError):
        head = None
    if head != spec.head:
        yield model_dir / HEAD_FILE, "another head than the run trained"
    if spec.labels and spec.head.n_outputs is None and _labels(model_dir / "config.json") != list(spec.labels):
        yield model_dir / "config.json", "other labels than the run trained"
    encoder_dir = Path(spec.encoder_dir)
    for name in (*TOKENIZER_FILES, *TOKENIZER_SETTINGS):
        own = encoder_dir / name
        if own.is_file() and problem_of_file(model_dir / name, file_sha256(own)) is not None:
            yield model_dir / name, f"not the file of the encoder in {encoder_dir}"


def _labels(path: Path) -> list[str] | None:
    try:
        by_index = json.loads(path.read_bytes())["id2label"]
        return [by_index[str(i)] for i in range(len(by_index))]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
