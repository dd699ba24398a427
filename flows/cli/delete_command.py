"""`bertft delete`: a study's folder and the data that only it uses, with what that frees; deleted only with `--yes`."""

import shutil
from contextlib import ExitStack
from pathlib import Path

from bertft_core.library.study_on_disk import StudyOnDisk, known_studies, open_study, study_dir_of
from bertft_core.storage.damage import refuse_damage
from bertft_core.storage.retention import folder_bytes
from bertft_core.storage.study_dir import StudyDir
from flows.cli.command_to_paste import command_to_paste
from flows.cli.data_in_use import DataInUse
from flows.cli.plan_command import size_words
from flows.cli.terminal import say, say_json
from flows.cli.unused_files import NO_STUDY, Leftover, of_home, values_of
from tasks.study_lock import held

STUDY = "the study: config, records, predictions, models, report"


def delete_command(name: str, home: Path | None, *, yes: bool, as_json: bool = False) -> int:
    """Say what goes, and delete it with `yes`. Raises `UserError` while a command runs the study."""
    study_dir = study_dir_of(name, home)
    found = open_study(study_dir)
    where, own = study_dir.home_dir, {card.fingerprint for card in found.cards}
    others = [StudyDir(where, other) for other in known_studies(where) if other != study_dir.path.name]
    refuse_damage(*others, records_only=True)  # which data a damaged study uses is not known
    with ExitStack() as stack:
        stack.enter_context(held(study_dir))
        data = DataInUse(where, [found], stack)
        going = [Leftover(study_dir.path, STUDY, folder_bytes(study_dir.path))]
        going += data.free(_only_its_data(where, [open_study(other) for other in others], own))
        for each in going:
            say(f"{size_words(each.n_bytes):>10}  {each.path.relative_to(where)}  ({each.why})")
        n_bytes = sum(each.n_bytes for each in going)
        total = size_words(n_bytes)
        if as_json:
            files = values_of(going, where)
            say_json({"study": study_dir.path.name, "deleted": yes, "n_bytes": n_bytes, "files": files})
        if not yes:
            again = command_to_paste("delete", study_dir.path.name, "--yes", home=where)
            say(f"would free {total}; do it with --yes: {again}")
            return 0
        for each in going[1:]:
            data.delete(each)
        _delete_folder(study_dir)
    say(f"deleted {study_dir.path.name}: {total}; MLflow and Prefect keep their record of it")
    return 0


def _only_its_data(home: Path, others: list[StudyOnDisk], own: set[str]) -> list[Leftover]:
    """Prepared data of the study that no other one uses."""
    unused = of_home(home, others)
    return [each for each in unused if each.why == NO_STUDY and each.path.name in own]


def _delete_folder(study_dir: StudyDir) -> None:
    """The config last: whatever a kill leaves is found by the same command."""
    for path in study_dir.path.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path != study_dir.config_path:
            path.unlink()
    shutil.rmtree(study_dir.path)
