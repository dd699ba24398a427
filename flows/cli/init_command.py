"""`bertft init`: a commented study to start from."""

import re
import shlex

from bertft_core.config.base import NAME_PATTERN
from bertft_core.config.errors import UserError, did_you_mean
from bertft_core.recipes.study_templates import DATA, study_template
from bertft_core.storage.home_folder import home_dir
from bertft_core.storage.output_file import check_output, write_output
from flows.cli.terminal import say, say_json

DEFAULT_NAME = "my-study"


def init_command(task: str, output: str, *, as_json: bool = False) -> int:
    """Write the study. Raises `UserError` for an unknown task and for a file that is there."""
    if task not in DATA:
        raise UserError(
            "no such task",
            code="init.unknown-task",
            found=task,
            expected=f"one of {', '.join(DATA)}",
            hint=did_you_mean(task, DATA) or "leave it out for classification",
        )
    path = check_output(output, "--output", home=home_dir())
    if path.exists():
        raise UserError(
            "the file is there already",
            code="init.file-exists",
            path=path,
            found="a file",
            expected="a new file",
            hint="name another one: --output FILE",
        )
    name = path.stem if re.fullmatch(NAME_PATTERN, path.stem) else DEFAULT_NAME
    write_output(path, study_template(task, name, path.name), "--output")
    if as_json:
        say_json({"study": name, "path": str(path)})
    say(f"wrote {path}: name your files and columns in data, then: {shlex.join(['bertft', 'check-data', str(path)])}")
    return 0
