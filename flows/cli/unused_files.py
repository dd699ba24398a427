"""Unused files in a home."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bertft_core.library.study_on_disk import StudyOnDisk
from bertft_core.records import RunRecord
from bertft_core.records.selection import answers
from bertft_core.storage.damage import SUFFIX
from bertft_core.storage.retention import folder_bytes, kept_digests
from tasks.process_identity import may_be_writing

FINISHED = "checkpoint of a run that has ended"
NOT_KEPT = "model that retention does not keep"
NOT_PLANNED = "run of settings that are not in the study's config"
NO_STUDY = "prepared data that no study uses"
FEATURES = "stored states of a frozen encoder, computed again when needed"
LOG = "log"
DAMAGED = "damaged file that was set aside"
TEMPORARY = "temporary file that a kill has left"
WITH_PROCESS = re.compile(r"\..+\.([0-9]+)\.part")
"""Name of a file that a process with this id writes; see `bertft_core.storage.study_dir.write_atomically`."""
DATA = re.compile("[0-9a-f]{64}")
DATA_IN_THE_MAKING = re.compile(r"\.[0-9a-f]{16}\.part")
"""Names that bertft gives below `data/`; a home in a folder of the user's has other files there, which are never touched."""
LOGS = ("mlflow-ui.log", "optuna-dashboard.log")


class Leftover(NamedTuple):
    """A file or folder that can go."""

    path: Path
    why: str
    n_bytes: int
    digest: str | None = None
    """Of the run whose model it is: that goes from MLflow too."""


def values_of(leftovers: Iterable[Leftover], home: Path) -> list[dict[str, Any]]:
    """What is listed, for programs: path below the home, size and reason of each."""
    return [{"path": str(each.path.relative_to(home)), "n_bytes": each.n_bytes, "why": each.why} for each in leftovers]


def of_study(found: StudyOnDisk) -> list[Leftover]:
    """What can go from a study's folder."""
    return _outermost([*_of_runs(found), *_everywhere(found.dir.path), *named(found.dir.path.glob("logs/*.log"), LOG)])


def of_home(home: Path, studies: Iterable[StudyOnDisk]) -> list[Leftover]:
    """What can go from a home: of each study, and of the data and logs beside them."""
    every = list(studies)
    leftovers = [leftover for found in every for leftover in of_study(found)]
    used = {card.fingerprint for found in every for card in found.cards}
    unfinished = {card.fingerprint for found in every if not _is_finished(found) for card in found.cards}
    prepared = [path for path in sorted(home.glob("data/*")) if path.is_dir() and DATA.fullmatch(path.name)]
    making = [path for path in home.glob("data/.*.part") if DATA_IN_THE_MAKING.fullmatch(path.name)]
    for folder in prepared:
        leftovers += _everywhere(folder)
        if folder.name not in used:
            leftovers += named([folder], NO_STUDY)
        elif folder.name not in unfinished:
            leftovers += named(folder.glob("features"), FEATURES)
    making += home.glob("prefect/.prefect.db.*.part")
    leftovers += named((path for path in making if not _is_being_written(path)), TEMPORARY)
    leftovers += named((home / "logs" / name for name in LOGS), LOG)
    leftovers += named(home.glob(f"mlflow.db*{SUFFIX}"), DAMAGED)
    leftovers += named(home.glob(f"prefect/prefect.db*{SUFFIX}*"), DAMAGED)  # set aside with what SQLite had beside it
    return _outermost(leftovers)


def _is_finished(found: StudyOnDisk) -> bool:
    """Every run of the study has its record, so none will ask for the states of a frozen encoder."""
    searched = all(arm.search is None or name in found.sweeps for name, arm in found.study.arms.items())
    records = [found.records.get(spec.digest) for spec in found.wanted.planned]
    return searched and all(
        record is not None and record.status != "failed" and answers(record, spec)
        for record, spec in zip(records, found.wanted.planned, strict=True)
    )


def _of_runs(found: StudyOnDisk) -> Iterator[Leftover]:
    records = found.records
    for record in records.values():
        yield from named([found.dir.run_dir(record.digest) / "checkpoint"], FINISHED) if record.finished else ()
    if found.card is None or found.is_older:
        return
    yield from _models(found, records)
    for digest in sorted(found.unplanned):
        yield from named([found.dir.run_dir(digest)], NOT_PLANNED)


def _models(found: StudyOnDisk, records: dict[str, RunRecord]) -> Iterator[Leftover]:
    """A study that has not ended keeps all its models: which one is the best is not known, and probes may want them."""
    if not _is_finished(found) or not found.dir.summary_path.exists():
        return
    kept = kept_digests(found.study, found.wanted.planned, records)
    for digest in sorted(records.keys() - kept):
        for leftover in named([found.dir.run_dir(digest) / "model"], NOT_KEPT):
            yield leftover._replace(digest=digest)


def _everywhere(folder: Path) -> Iterator[Leftover]:
    yield from named(folder.rglob(f"*{SUFFIX}"), DAMAGED)
    yield from named((path for path in folder.rglob(".*.part") if not _is_being_written(path)), TEMPORARY)


def _is_being_written(path: Path) -> bool:
    """The process that a temporary file names still lives: some commands write without a study's lock."""
    named = WITH_PROCESS.fullmatch(path.name)
    try:
        return named is not None and may_be_writing(int(named[1]), path.stat().st_mtime)
    except FileNotFoundError:
        return True  # it has its name by now


def named(paths: Iterable[Path], why: str) -> Iterator[Leftover]:
    """Those that are there, with their sizes."""
    for path in sorted(paths):
        if path.exists():
            yield Leftover(path, why, folder_bytes(path))


def _outermost(leftovers: Iterable[Leftover]) -> list[Leftover]:
    """Each path once, and none inside another that goes."""
    kept: dict[Path, Leftover] = {}
    for leftover in sorted(leftovers, key=lambda leftover: len(leftover.path.parts)):
        if leftover.path not in kept and not any(parent in kept for parent in leftover.path.parents):
            kept[leftover.path] = leftover
    return sorted(kept.values())
