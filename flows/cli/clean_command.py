"""`bertft clean`: unused files with their sizes; deleted only with `--yes`, and never while a command runs."""

from contextlib import ExitStack
from pathlib import Path

from bertft_core.config.addresses import shown
from bertft_core.library.study_on_disk import StudyOnDisk, known_studies, study_dir_of
from bertft_core.storage.damage import refuse_damage
from bertft_core.storage.home_folder import home_dir
from flows.cli.command_to_paste import command_to_paste
from flows.cli.data_in_use import DataInUse
from flows.cli.find_study import find_study
from flows.cli.plan_command import size_words
from flows.cli.terminal import say, say_json
from flows.cli.unused_artifacts import of_artifacts
from flows.cli.unused_files import Leftover, of_home, of_study, values_of
from tasks.study_lock import held


def clean_command(name: str | None, home: Path | None, *, yes: bool, as_json: bool = False) -> int:
    """List what can go from a study or from the whole home, and delete it with `yes`.

    Raises `UserError` while a command runs, and for a damaged record.
    """
    where = home_dir(home)
    dirs = [study_dir_of(each, home) for each in (known_studies(where) if name is None else [name])]
    refuse_damage(*dirs, records_only=True)  # what a damaged record needs is not known
    studies = [find_study(each.path.name, home) for each in dirs]
    with ExitStack() as stack:
        for found in studies:
            stack.enter_context(held(found.dir))
        data = DataInUse(where, studies, stack)
        leftovers = data.free([*of_home(where, studies), *of_artifacts(where, studies)]) if name is None else of_study(studies[0])
        _print(leftovers, where)
        if yes:
            leftovers = _delete(leftovers, studies, data)
    total = sum(leftover.n_bytes for leftover in leftovers)
    if as_json:
        say_json({"home": str(where), "deleted": yes, "n_bytes": total, "files": values_of(leftovers, where)})
    elif not leftovers:
        say("nothing to delete" if where.is_dir() else f"nothing to delete: there is no {where}")
    elif yes:
        say(f"deleted: {len(leftovers)} files and folders, {size_words(total)}")
    else:
        again = command_to_paste("clean", *([] if name is None else [name]), "--yes", home=where)
        say(f"would delete {len(leftovers)} files and folders, {size_words(total)}; do it with --yes: {again}")
    return 0


def _print(leftovers: list[Leftover], home: Path) -> None:
    for leftover in leftovers:
        say(f"{size_words(leftover.n_bytes):>10}  {leftover.path.relative_to(home)}  ({leftover.why})")


def _delete(leftovers: list[Leftover], studies: list[StudyOnDisk], data: DataInUse) -> list[Leftover]:
    """Those that are gone."""
    for found in studies:
        digests = [each.digest for each in leftovers if each.digest is not None and each.path.is_relative_to(found.dir.path)]
        if digests:
            _delete_from_mlflow(found, digests)
    return [leftover for leftover in leftovers if data.delete(leftover)]


def _delete_from_mlflow(found: StudyOnDisk, digests: list[str]) -> None:
    from tasks.tracking.repair_stores import drop_models

    try:
        drop_models(found.study, found.dir, digests)
    except Exception as error:  # the disk is what is full
        say(f"MLflow: its models were not deleted: {shown(error)}")
