"""`bertft watch`: an event `bertft.dataset.updated` for every study whose data files have changed."""

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path

from bertft_core.config import StudyConfig, UserError
from bertft_core.config.base import Frozen
from bertft_core.config.data_settings import FileData
from bertft_core.report.prose.grammar import several
from bertft_core.storage.home_folder import home_dir, made_home
from bertft_core.storage.study_dir import file_sha256, read_record, write_record
from flows.cli import first_sign
from flows.cli.announce_command import announce
from flows.cli.find_study import load_config
from flows.cli.terminal import note, say, warn

STATE = "watched.json"
SETTLED_SECONDS = 2.0
"""Files are read again after it: a file that is being written has another content then."""


class Watched(Frozen):
    """What the data files of each study were when they were last announced, or first seen."""

    files_sha256: dict[str, str] = {}


def watch_command(configs: Sequence[Path], overrides: list[str], home: Path | None, *, every: float, once: bool) -> int:
    """Look at the files of the studies again and again, or once; announce what has changed since the last look.

    What was seen is kept in the home, so a change while nobody watched is announced too. Raises `UserError` at the first look for
    a study without files of its own, and when no server answers; a later one is only reported, once.
    """
    where, problems = made_home(home_dir(home)), dict[Path, str]()

    def look(config: Path) -> None:
        look_at(load_config(config, overrides, where), where, None if home is None else where)

    for config in configs:
        look(config)
    while not once:
        first_sign.stop()
        time.sleep(every)
        for config in configs:
            try:
                look(config)
                problems.pop(config, None)
            except UserError as error:  # a config that is half saved, or a server that is away for a moment
                if problems.get(config) != str(error):
                    warn(error)
                problems[config] = str(error)
    return 0


def look_at(study: StudyConfig, home: Path, run_in: Path | None) -> None:
    """Announce a study whose files are not as they were; one that is seen for the first time is only remembered.

    `home` keeps what was seen; `run_in` is where the study is to run, None for the home of the worker.
    """
    state = read_record(home / STATE, Watched) or Watched()
    found, before = settled_digest(study), state.files_sha256.get(study.name)
    if found is None or found == before:
        return
    if before is None:
        say(f"watching   {study.name}: {several(len(data_files(study)), 'file')}")
    else:
        announce(study, run_in, files_sha256=found)
    write_record(
        home / STATE, Watched(files_sha256={**state.files_sha256, study.name: found})
    )  # last: a failed announcement is made again


def data_files(study: StudyConfig) -> list[Path]:
    """Every local file that an arm of the study reads its examples from. Raises `UserError` where there is none."""
    read = [study.data, *(study.of_arm(arm).data for arm in study.arms)]
    paths = [path for data in read if isinstance(data, FileData) for path in (*data.split_files.values(), *data.extra_train)]
    if not paths:
        raise UserError(
            f"the study '{study.name}' reads no files that could change",
            code="watch.no-files",
            found=f"data.source: {study.data.source}",
            expected="data.source: files",
            hint="announce it yourself: bertft announce CONFIG",
        )
    return list(map(Path, dict.fromkeys(paths)))


def settled_digest(study: StudyConfig) -> str | None:
    """SHA-256 over the contents of the study's files; None while one is missing or being written."""
    files = data_files(study)
    first = files_sha256(files)
    if first is None:
        note(f"waiting    {study.name}: a file is missing")
        return None
    try:
        newest = max(path.stat().st_mtime for path in files)
    except OSError:  # deleted since it was read
        return None
    if time.time() - newest < SETTLED_SECONDS:
        time.sleep(SETTLED_SECONDS)
        return first if files_sha256(files) == first else None
    return first


def files_sha256(files: Sequence[Path]) -> str | None:
    """SHA-256 over the digests of files in their order; None where one cannot be read."""
    try:
        return hashlib.sha256("".join(map(file_sha256, files)).encode()).hexdigest()
    except OSError:
        return None
