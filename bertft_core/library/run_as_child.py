"""A study run from a program: the command `bertft run` as a child process, whose lines are passed on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from bertft_core.config import StudyConfig, UserError, parse_study, yaml_text
from bertft_core.config import load_study as load_config
from bertft_core.config.config_file import config_text
from bertft_core.config.ready_studies import config_path
from bertft_core.library.given_data import FOLDER, OF_FILES, GivenFiles, write_given
from bertft_core.library.study import Study, load_study
from bertft_core.processes import child_environment, how_it_ended, module_command
from bertft_core.report.study_as_yaml import study_yaml
from bertft_core.storage.home_folder import home_dir, made_home
from bertft_core.storage.study_dir import StudyDir

DONE, SOME_RUNS_FAILED, USER_MUST_ACT = 0, 1, 2
ERROR = re.compile(r"^error: (.*)$", re.MULTILINE)
DETAIL = re.compile(r"^  (found|expected|hint): +(.*)$", re.MULTILINE)
"""The first line of a refusal, and those below it."""


def run(
    config: str | os.PathLike[str] | Mapping[str, Any] | StudyConfig,
    *,
    data: Mapping[str, Any] | None = None,
    overrides: Sequence[str] = (),
    home: str | os.PathLike[str] | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Study:
    """Run a study or continue it, as `bertft run` does, and open it.

    `config` is a YAML file, the name of a ready study, or the same as a mapping. `data` are frames of pandas, or data sets of
    the library `datasets`, by split: `train`, and where there are any `validation`, `test` and sets that are only evaluated. They
    take the place of `data.source` and its files; the columns are named in the config as ever (`data: {text: …, label: …}`). They
    are written into the study's folder and read from there, so that the study can be continued, and proved, without this program.

    `overrides` are those of `--set` (`"seeds.n=10"`). The command's lines go to stdout and stderr, unless `quiet`. Ctrl-C, and
    the end of this process, end the command; the same call continues. A run that failed is counted in `Study.runs`. Raises
    `UserError` for what the user has to change.
    """
    where = made_home(home_dir(None if home is None else Path(home)))
    files = GivenFiles()
    try:
        path, rest = _as_file(config, data, list(overrides), where, files)
        words = ["run", str(path), "--home", str(where), *(["--force"] if force else [])]
        code, errors = _carried_out([*words, *(word for override in rest for word in ("--set", override))], quiet=quiet)
        if code == USER_MUST_ACT:
            raise _refused(errors)
    except UserError:
        files.restore()
        raise
    if code not in (DONE, SOME_RUNS_FAILED):
        raise RuntimeError(f"bertft run {how_it_ended(code)}: {errors.strip().splitlines()[-1:] or 'no message'}")
    return load_study(load_config(os.fspath(path), rest).name, where)


def _as_file(
    config: Any, data: Mapping[str, Any] | None, overrides: list[str], home: Path, files: GivenFiles
) -> tuple[str | os.PathLike[str], list[str]]:
    """The config as a file, and the overrides that are not in it yet. Raises `UserError` for an invalid study."""
    is_file = isinstance(config, (str, os.PathLike))
    if is_file and data is None:
        load_config(os.fspath(config), overrides)  # a mistake is an error here, and not a line of a child
        return config, overrides
    if isinstance(config, StudyConfig):
        values, named, lines, base = config.model_dump(mode="json", exclude_unset=True), "study", None, None
    elif is_file:
        found = config_path(os.fspath(config))
        values, lines = yaml_text.read_yaml(config_text(found), str(found))
        named, base = str(found), found.parent
    else:
        values, named, lines, base = config, "study", None, Path.cwd()
    if data is not None:
        values = _with_data(values, data, home, files)
    study = parse_study(values, overrides, path=named, lines=lines, base_dir=base)
    path = StudyDir(home, study.name).path / FOLDER / "study.yaml"
    files.write(path, study_yaml(study))
    return path, []


def _with_data(values: Any, data: Mapping[str, Any], home: Path, files: GivenFiles) -> dict[str, Any]:
    """The values of a config with the files of the frames, which are written once the rest is known to be a study."""
    own = values.get("data") if isinstance(values, Mapping) else None
    kept = {key: value for key, value in (own or {}).items() if key not in OF_FILES}
    asked = dict(values) if isinstance(values, Mapping) else {}
    name = parse_study(asked | {"data": kept | {"source": "files", "train": "train.parquet"}}).name
    return asked | {"data": kept | write_given(data, StudyDir(home, name), files)}


def _carried_out(words: list[str], *, quiet: bool) -> tuple[int, str]:
    """Exit code and stderr of the command, which ends when this process does."""
    child = subprocess.Popen(
        module_command("flows.cli.child_process", *module_command("flows.cli.app", *words)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=child_environment(),
        start_new_session=True,  # Ctrl-C is for this process, which then ends the command
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    assert child.stdout is not None
    assert child.stderr is not None
    errors: list[str] = []
    threads = [
        threading.Thread(target=_pass_on, args=(child.stdout, [], None if quiet else sys.stdout)),
        threading.Thread(target=_pass_on, args=(child.stderr, errors, None if quiet else sys.stderr)),
    ]
    for thread in threads:
        thread.start()
    try:
        code = child.wait()
    finally:
        assert child.stdin is not None
        child.stdin.close()  # which ends what still runs
        child.wait()
        for thread in threads:
            thread.join()
    return code, "".join(errors)


def _pass_on(lines: IO[str], kept: list[str], target: Any) -> None:
    for line in lines:
        kept.append(line)
        if target is not None:
            target.write(line)
            target.flush()


def _refused(errors: str) -> UserError:
    """The refusal that the command has printed."""
    said = ERROR.findall(errors)
    details = {name: value.strip() for name, value in DETAIL.findall(errors)}
    return UserError(
        said[-1] if said else "the study was refused",
        code="run.refused",
        found=details.get("found"),
        expected=details.get("expected"),
        hint=details.get("hint", "run it in a terminal to see more: bertft run CONFIG"),
    )
