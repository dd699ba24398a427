"""Damaged files: found by their checksums, reported, and set aside, so that the next steps write them again."""

import os
import shutil
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bertft_core.config.base import Frozen
from bertft_core.config.errors import NEXT_ROW, UserError
from bertft_core.config.study_config import StudyConfig
from bertft_core.records.data_card import DatasetCard
from bertft_core.records.probe_record import ProbeRecord
from bertft_core.records.run_record import RunRecord
from bertft_core.records.selection import may_go_on
from bertft_core.records.summary import StudySummary
from bertft_core.records.sweep_result import SweepResult
from bertft_core.records.verification_record import VERIFICATION_FILE, Verification
from bertft_core.storage.foreign_content import foreign_content
from bertft_core.storage.predictions import read_predictions
from bertft_core.storage.study_dir import PROBES_FILE, Damaged, StudyDir, checked_record, problem_of_file

SUFFIX = ".damaged"
MODEL = "model"
"""Folder of a run's saved model."""
HEAD_FILE = "bertft_head.json"
"""In that folder: the configuration of the head."""
RUN_AGAIN = "it comes back from MLflow, or the run is trained again"
COPY_BACK = "copy the file from a backup, or train this study again with: bertft run CONFIG --force"
VERIFY_AGAIN = "it comes back from MLflow, or bertft verify makes it again"

Tell = Callable[[str], None]
"""Hears of a problem, in one line."""


class Damage(NamedTuple):
    """One file or folder."""

    path: Path
    problem: str
    done: str
    """What a study command does about it."""

    def line(self, home_dir: Path) -> str:
        """All of it in one line, the path from the home on."""
        path = self.path.relative_to(home_dir) if self.path.is_relative_to(home_dir) else self.path
        return f"{path}: {self.problem}; {self.done}"


def set_aside(path: Path) -> Path:
    """Rename a file or folder to `<name>.damaged`, in place of an earlier one of that name; where it is now. Raises `OSError`."""
    target = path.with_name(path.name + SUFFIX)
    if target.is_dir():
        shutil.rmtree(target)
    path.replace(target)
    return target


def repair(study_dir: StudyDir, tell: Tell) -> None:
    """Set aside every damaged file of a study, and report each."""
    for damage in find_damage(study_dir):
        tell(removed(damage, study_dir.home_dir))


def removed(damage: Damage, home_dir: Path) -> str:
    """Set a damaged file aside, if there is one; the damage and where the file is now, in one line. Raises `OSError`."""
    line = damage.line(home_dir)
    return f"{line} (set aside as {set_aside(damage.path).name})" if os.path.lexists(damage.path) else line


def find_damage(study_dir: StudyDir) -> Iterator[Damage]:
    """Every damaged record of a study, and every damaged or missing file of a run that its record has a checksum of, but models.

    Raises `UserError` for a record of a newer version.
    """
    yield from damaged_records(study_dir)
    for path in sorted(study_dir.path.glob("runs/*/record.json")):
        yield from _files_of(study_dir, path)


def damaged_records(study_dir: StudyDir) -> Iterator[Damage]:
    """Every damaged record of a study. Raises `UserError` for a record of a newer version."""
    yield from damage_of(study_dir.config_path, StudyConfig, "it is rewritten from the config file")
    yield from damage_of(study_dir.card_path, DatasetCard, "the data are prepared again")
    yield from damage_of(study_dir.summary_path, StudySummary, "the runs are evaluated again")
    yield from damage_of(study_dir.path / VERIFICATION_FILE, Verification, VERIFY_AGAIN)
    for path in sorted(study_dir.path.glob("sweep/*/result.json")):
        yield from damage_of(path, SweepResult, "the result is read from the search's journal again")
    for path in sorted(study_dir.path.glob("runs/*/record.json")):
        yield from _damage_as(path, partial(study_dir.checked_run, path), RUN_AGAIN)
    for path in sorted(study_dir.path.glob(f"runs/*/{PROBES_FILE}")):
        yield from damage_of(path, ProbeRecord, "the model is probed again where it is kept")


def refuse_damage(*study_dirs: StudyDir, records_only: bool = False, but: Collection[Path] = ()) -> None:
    """Raise `UserError`, with every damaged file, for studies that have some: what is left would give another answer.

    With `records_only` the predictions and curves of runs, which the command does not read, are not checked; `but` are the
    records that it writes anew.
    """
    look = damaged_records if records_only else find_damage
    found = [(damage, each.home_dir) for each in study_dirs for damage in look(each) if damage.path not in but]
    if not found:
        return
    first, home_dir = found[0]
    lines = [damage.line(home) for damage, home in found]
    alone = len(found) == 1
    raise UserError(
        "a file is damaged, so the answer could be wrong" if alone else f"{len(found)} files are damaged",
        code="study.damaged",
        path=first.path if alone else home_dir,
        found=first.problem if alone else NEXT_ROW.join(lines),
        expected="each file as it was written",
        hint="run the study again with: bertft run CONFIG, which sets "
        + (f"the file aside; {first.done}" if alone else "the files aside"),
    )


def refuse_damaged_model(record: RunRecord, run_dir: Path) -> None:
    """Raise `UserError` for a kept model that is not the one that the run saved, as far as its record has checksums of it."""
    for damage in damage_of_model(record, run_dir):
        raise UserError(
            f"the model of {record.spec.title} is damaged",
            code="model.damaged",
            path=damage.path,
            found=(foreign_content(damage.path) if damage.path.is_file() else None) or damage.problem,
            expected=f"SHA-256 {record.files[damage.path.relative_to(run_dir).as_posix()]}",
            hint=damage.done,
        )


def damaged_models(study_dir: StudyDir) -> Iterator[Damage]:
    """Every damaged file of the models that a study has kept. They are the largest files here: commands check those they use."""
    for record in study_dir.records():
        run_dir = study_dir.run_dir(record.digest)
        if (run_dir / MODEL).exists():
            yield from damage_of_model(record, run_dir)


def damage_of_model(record: RunRecord, run_dir: Path) -> Iterator[Damage]:
    """Every file of a run's model that is not as the run saved it, as far as its record has checksums."""
    for name, sha256 in sorted(record.files.items()):
        if name.startswith(f"{MODEL}/") and (problem := problem_of_file(run_dir / name, sha256)) is not None:
            yield Damage(run_dir / name, problem, COPY_BACK)


def damage_of(path: Path, kind: type[Frozen], done: str) -> Iterator[Damage]:
    """The damage of one record, if it is there and has any. Raises `UserError` for one of a newer version."""
    yield from _damage_as(path, partial(checked_record, path, kind), done)


def _damage_as(path: Path, read: Callable[[], object], done: str) -> Iterator[Damage]:
    try:
        read()
    except FileNotFoundError:
        return
    except Damaged as error:
        yield Damage(path, str(error).removeprefix(f"{path}: "), done)


def _files_of(study_dir: StudyDir, record_path: Path) -> Iterator[Damage]:
    """The files beside an intact record; a record of an older version has no checksums, so its predictions are at least read."""
    try:
        record = study_dir.checked_run(record_path)
    except (FileNotFoundError, Damaged):
        return
    for name in sorted(files_of(record)):
        path, sha256 = record_path.parent / name, record.files.get(name)
        if sha256 is not None:
            if (problem := problem_of_file(path, sha256)) is not None:
                yield Damage(path, problem, RUN_AGAIN)
        elif path.exists():
            try:
                read_predictions(path)
            except ValueError as error:
                yield Damage(path, str(error).removeprefix(f"{path} ").splitlines()[0], RUN_AGAIN)


def files_of(record: RunRecord) -> set[str]:
    """The files of a run, relative to its folder, that must be intact for its record to count: predictions and curves.

    The curves of a run that stopped at its cut grow when it goes on, which its record does not know before its end.
    """
    if may_go_on(record):
        return set()
    predictions = {path for splits in record.predictions.values() for path in splits.values()}
    return predictions | {name for name in record.files if not name.startswith(f"{MODEL}/")}
