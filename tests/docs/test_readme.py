"""Every command of the README and of the guide to the commands is run: `bertft` for real, on the README's own files."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

import psutil
import pytest

from flows.cli.app import app
from tests.helpers.markdown import ROOT, Block, blocks, paths_in
from tests.helpers.study_commands import Ended, run_several
from tests.helpers.waiting import becomes

README, CONTRIBUTING = ROOT / "README.md", ROOT / "CONTRIBUTING.md"
GUIDE, FILES, RELEASING = ROOT / "docs/guides/commands.md", ROOT / "docs/guides/files.md", ROOT / "RELEASING.md"
BIN = Path(sys.executable).parent
MAKE_RECIPES = {
    "install": "--requirement requirements.lock",
    "quickstart": "bertft run configs/quickstart.yaml",
    "test": "-m pytest",
    "test-slow": "-n 2 -m slow",
    "check": "lint-imports",
}
"""Target → what its recipe does."""
START_SECONDS = 180.0
ALONE = ("|", "--help", "bertft run")
"""What a person's shell is needed for, and what must begin with nothing imported and no home."""


def commands_of(path: Path) -> list[str]:
    """The commands in the shell blocks of a document; in console blocks those behind `$ `."""
    found = []
    for block in blocks(path, "sh", "bash", "console", "shell"):
        lines = block.text.splitlines()
        if block.language == "console":
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        found += [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return found


COMMANDS = [*commands_of(README), *commands_of(GUIDE)]
BERTFT = [command for command in COMMANDS if "bertft " in command and not command.startswith("git ")]
SERVED = [command for command in BERTFT if "bertft ui" in command or "bertft announce" in command]
PLAIN = [command for command in BERTFT if command not in SERVED]
SAID = ("bertft status tickets", "bertft show tickets", "bertft show tickets --json", "bertft report tickets")
"""Of the guide, what tests of the README look at."""
QUICK = [command for command in PLAIN if command in (*commands_of(README), *SAID)]
REST = [command for command in PLAIN if command not in QUICK]
"""Each of them has tests of its own too."""


def environment() -> dict[str, str]:
    """Ours without the settings that would lead a command to another home or server, and `bertft` first on the path."""
    left_out = ("BERTFT_HOME", "PREFECT_API_URL", "PREFECT_HOME", "MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return kept | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}


def run_in(folder: Path, command: str) -> Ended:
    """A command as a person types it."""
    done = subprocess.run(["sh", "-c", command], cwd=folder, env=environment(), capture_output=True, text=True, timeout=600)
    return Ended(done.returncode, done.stdout, done.stderr)


# Commands that are not bertft's


def check_make(command: str) -> None:
    target = command.removeprefix("make ")
    shown = subprocess.run(["make", "--dry-run", "--always-make", target], cwd=ROOT, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    assert MAKE_RECIPES[target] in shown.stdout


def check_clone(command: str) -> None:
    """What a clone of the last commit would have is tracked: the tests of the working tree run it."""
    listed = subprocess.run(["git", "ls-files", "--cached"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("this is no git checkout")
    needed = {"Makefile", "pyproject.toml", "requirements.lock", "configs/quickstart.yaml", "flows/cli/app.py", "LICENSE"}
    assert needed <= set(listed.stdout.splitlines())


def check_cd(command: str) -> None:
    assert COMMANDS[COMMANDS.index(command) - 1].split()[-1] == command.removeprefix("cd ")


def check_activate(command: str) -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^VENV := (.*)$", text, re.MULTILINE)[1] == command.removeprefix(". ").removesuffix("/bin/activate")  # type: ignore[index]


HOW: dict[str, Callable[[str], None]] = {
    r"make [a-z-]+": check_make,
    r"git clone REPOSITORY bertft": check_clone,
    r"cd bertft": check_cd,
    r"\. \.venv/bin/activate": check_activate,
}
"""Pattern of a command → how it is checked."""
OTHERS = [command for command in [*COMMANDS, *commands_of(CONTRIBUTING), *commands_of(RELEASING)] if command not in BERTFT]


def test_the_readme_and_the_guide_show_how_to_start_and_every_command():
    assert len(COMMANDS) >= 14
    assert {"make quickstart", "make test"} <= set(COMMANDS)
    names = {command.name or command.callback.__name__ for command in app.registered_commands if not command.hidden}  # type: ignore[union-attr]
    names |= {str(group.typer_instance.info.name) for group in app.registered_groups if group.typer_instance}
    assert len(names) >= 8
    assert {name for name in names if not any(f"bertft {name} " in f"{command} " for command in BERTFT)} == set()
    table = re.findall(r"^\| `bertft ([a-z-]+)", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(table) == sorted(names)


@pytest.mark.parametrize("command", OTHERS)
def test_a_command_that_is_not_bertfts_does_what_the_readme_says(command):
    (check,) = [check for pattern, check in HOW.items() if re.fullmatch(pattern, command)]
    check(command)


# bertft, on the files of the README, in one home


def block_after(words: str, language: str, path: Path = README) -> Block:
    """The first block of a language after these words."""
    text = path.read_text(encoding="utf-8")
    line = text[: text.index(words)].count("\n") + 1
    return next(block for block in blocks(path, language) if block.line > line)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with the two files of the README."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "tickets.csv").write_text(block_after("`tickets.csv`", "csv").text, encoding="utf-8")
    (folder / "tickets.yaml").write_text(block_after("`tickets.yaml`", "yaml").text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def done(folder) -> dict[str, Ended]:
    """The commands of the README that end by themselves, in its order."""
    return run_all(QUICK, folder)


@pytest.fixture(scope="module")
def whole(done, folder) -> dict[str, Ended]:
    """And then those of the guide."""
    return done | run_all(REST, folder)


def run_all(listed: list[str], folder: Path) -> dict[str, Ended]:
    """Neighbours that need no shell in one process."""
    ended: dict[str, Ended] = {}
    for alone, group in groupby(listed, key=lambda command: any(words in command for words in ALONE)):
        commands = list(group)
        if alone:
            ended |= {command: run_in(folder, command) for command in commands}
        else:
            words = [shlex.split(command)[1:] for command in commands]
            ended |= dict(zip(commands, run_several(words, environment(), folder), strict=True))
    return ended


def assert_succeeded(ended: Ended) -> None:
    assert ended.code == 0, ended.stderr
    assert ended.stdout.strip()
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("command", QUICK)
def test_a_bertft_command_of_the_readme_succeeds(done, command):
    assert_succeeded(done[command])


@pytest.mark.slow
@pytest.mark.parametrize("command", REST)
def test_a_bertft_command_of_the_guide_succeeds(whole, command):
    assert_succeeded(whole[command])


def output_of(done: dict[str, Ended], start: str) -> str:
    (command,) = [command for command in done if command == start]
    return done[command].stdout


def test_the_commands_say_what_the_readme_says(done):
    assert "urgent" in output_of(done, "bertft check-data tickets.yaml")
    assert "time   about" in output_of(done, "bertft plan tickets.yaml")
    table = output_of(done, "bertft show tickets")
    assert "accuracy on test, best checkpoint" in table
    assert table.strip() in output_of(done, "bertft run tickets.yaml")
    assert "3 done, 0 running, 0 failed, 0 missing of 3" in output_of(done, "bertft status tickets")
    assert json.loads(output_of(done, "bertft show tickets --json"))["study"] == "tickets"
    assert Path(output_of(done, "bertft report tickets").strip()).is_file()


@pytest.mark.slow
def test_an_answer_has_the_keys_that_the_guide_shows(whole):
    guide = ROOT / "docs" / "guides" / "predict.md"
    shown = [json.loads(line) for line in re.findall(r"^\{.*\}$", guide.read_text(encoding="utf-8"), re.MULTILINE)]
    assert len(shown) >= 2
    (command,) = [command for command in PLAIN if "bertft predict" in command]
    (row,) = [json.loads(line) for line in whole[command].stdout.splitlines()]
    assert {tuple(row), *map(tuple, shown)} == {tuple(row)}
    assert {tuple(row["probabilities"]), *(tuple(one["probabilities"]) for one in shown)} == {("normal", "urgent")}
    assert re.search(r"^(full|features) · seed \d{3} \(best accuracy on validation, ", whole[command].stderr, re.MULTILINE)


@pytest.mark.slow
def test_the_overrides_of_the_guide_reach_the_plan(whole):
    (command,) = [command for command in PLAIN if "--set seeds.n=10" in command]
    assert "2 arms × 10 seeds" in whole[command].stdout


SAMPLES = [block for block in blocks(README, "text") if block.text.startswith("accuracy on ")]


@pytest.mark.parametrize("sample", SAMPLES, ids=[f"line {sample.line}" for sample in SAMPLES])
def test_a_sample_in_the_readme_has_the_form_of_a_real_table(done, sample):
    real = output_of(done, "bertft show tickets").splitlines()
    shown = sample.text.splitlines()
    assert shown[0] == real[0]
    assert shown[1].split() == real[1].split(), "the columns"
    assert [line.split()[0] for line in shown[2:4]] == [line.split()[0] for line in real[2:4]], "the arms"
    assert re.search(rf"^{shown[3].split()[0]} (is|and) .*{shown[2].split()[0]}", sample.text, re.MULTILINE), "the sentence"


def test_the_readme_is_short_and_shows_a_sample():
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 130
    assert len(SAMPLES) >= 1


@pytest.mark.slow
def test_the_home_is_as_the_guide_draws_it(whole, folder):
    paths = paths_in(block_after("Everything a study makes is in its home", "text", FILES))
    assert len(paths) >= 25
    assert [path for path in paths if not any(folder.glob(path))] == []


# What runs until Ctrl-C

PAGES = {"MLflow", "Prefect", "Optuna", "Report"}


@pytest.fixture(scope="module")
def pages(done, folder) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """`bertft ui` while it serves, and the links it printed by their words."""
    (command,) = [command for command in SERVED if "bertft ui" in command]
    with (folder / "ui.log").open("wb") as log:
        server = subprocess.Popen(
            shlex.split(command), cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=log, text=True
        )
    try:
        yield server, links_printed(server)
    finally:
        server.kill()
        server.wait()


def links_printed(server: subprocess.Popen[str]) -> dict[str, str]:
    """What the command shows by its words, each page as soon as it answers."""
    links: dict[str, str] = {}
    timer = threading.Timer(START_SECONDS, server.kill)
    timer.start()
    assert server.stdout is not None
    for line in server.stdout:
        words, _, link = line.strip().rpartition("  ")
        if "://" in link:
            links[words.strip()] = link.strip()
        if {shown.partition(":")[0] for shown in links} >= PAGES:
            break
    timer.cancel()
    return links


def test_the_pages_of_the_ui_answer(pages):
    _, links = pages
    served = {words: link for words, link in links.items() if link.startswith("http")}
    assert {words.partition(":")[0] for words in served} == PAGES
    for link in served.values():
        as_a_browser = urllib.request.Request(link, headers={"Accept": "text/html"})
        with urllib.request.urlopen(as_a_browser, timeout=60) as answer:
            assert answer.status == 200


def test_an_update_is_announced_to_a_server(pages, folder):
    _, links = pages
    (command,) = [command for command in SERVED if "bertft announce" in command]
    port = re.search(r":(\d+)/", links["Prefect: flow runs"])
    assert port is not None
    assert ":4200/" in command
    announced = run_in(folder, command.replace(":4200/", f":{port[1]}/"))
    assert announced.code == 0, announced.stderr
    assert "announced  bertft.dataset.updated for tickets" in announced.stdout


def test_ctrl_c_ends_the_pages_and_every_process(pages):
    server, _ = pages
    children = psutil.Process(server.pid).children(recursive=True)
    assert len(children) >= 3
    server.send_signal(signal.SIGINT)
    assert server.wait(timeout=60) == 0
    becomes(lambda: not any(child.is_running() for child in children), 30)
    assert [child.pid for child in children if child.is_running()] == []


@pytest.mark.slow
def test_the_quickstart_runs_and_trains_nothing_when_run_again(tmp_path):
    """`make quickstart` in a copy of the repository, with this environment instead of a new one."""
    copy = tmp_path / "bertft"
    shutil.copytree(ROOT / "configs", copy / "configs")
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, copy / name)
    installed = Path(sys.prefix) / ".installed"
    command = ["make", "quickstart", f"VENV={sys.prefix}", "--old-file", str(installed)]
    first = subprocess.run(command, cwd=copy, env=environment(), capture_output=True, text=True)
    assert first.returncode == 0, first.stderr
    assert "training over seeds" in first.stderr
    assert (copy / "bertft-home" / "studies" / "quickstart" / "report" / "report.html").is_file()
    records = sorted(copy.glob("bertft-home/studies/quickstart/runs/*/record.json"))
    written = [path.stat().st_mtime_ns for path in records]
    assert len(records) >= 18
    again = subprocess.run(command, cwd=copy, env=environment(), capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert [path.stat().st_mtime_ns for path in records] == written
    assert again.stdout == first.stdout
