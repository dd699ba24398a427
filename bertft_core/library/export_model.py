"""A kept model as a folder for the Hugging Face hub: weights, tokenizer, configuration, study and card."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from bertft_core.config.errors import UserError
from bertft_core.data.kept_model import refuse_changed_model
from bertft_core.records import RunRecord
from bertft_core.report.model_card import model_card
from bertft_core.report.prose.model_card_text import STUDY_FILE
from bertft_core.report.published_study import published_yaml
from bertft_core.storage.damage import HEAD_FILE, MODEL
from bertft_core.storage.output_file import check_output_folder, write_output
from bertft_core.storage.study_results import StudyResults

CARD_FILE = "README.md"


def export_model(
    results: StudyResults, record: RunRecord, target: str | Path, *, licence: str | None = None, languages: Sequence[str] = ()
) -> Path:
    """Copy the model that a run kept to a new or empty folder, with its card; the folder. `results` are evaluated.

    The card comes last: a folder without one is not complete. Raises `UserError` for a model that was changed, for a folder that
    has files, and for one in a home.
    """
    run_dir = results.run_dir_of(record.digest)
    refuse_changed_model(record, run_dir)
    written = {
        STUDY_FILE: published_yaml(results.study),
        CARD_FILE: model_card(results, record, licence=licence, languages=languages),
    }
    folder = empty_folder(target, results.study_dir.home_dir)
    for name in _files(record, run_dir / MODEL):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(run_dir / MODEL / name, folder / name)
    for name, content in written.items():
        write_output(folder / name, content, "--to")
    return folder


def empty_folder(target: str | Path, home: Path) -> Path:
    """The folder, created, that a model goes into. Raises `UserError` for one that has files, and for one in a home."""
    folder = check_output_folder(target, "--to", home=home)
    if any(folder.iterdir()):
        raise UserError(
            "the folder of --to is not empty",
            code="export.not-empty",
            path=folder,
            found=", ".join(sorted(each.name for each in folder.iterdir())[:3]),
            expected="a new or an empty folder: nothing is overwritten",
            hint="name another folder",
        )
    return folder


def _files(record: RunRecord, model_dir: Path) -> Iterator[str]:
    """The files that the run saved, and no others beside them; of an older record, which lists the weights alone, all of them."""
    if f"{MODEL}/{HEAD_FILE}" in record.files:
        yield from (name.removeprefix(f"{MODEL}/") for name in sorted(record.files) if name.startswith(f"{MODEL}/"))
    else:
        yield from sorted(path.relative_to(model_dir).as_posix() for path in model_dir.rglob("*") if path.is_file())
