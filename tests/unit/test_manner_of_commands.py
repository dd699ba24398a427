"""How every command speaks: `--json`, `-q`, `-v`, its help, and what a shell completes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bertft_core.config.ready_studies import ready_names
from flows.cli.app import main
from flows.cli.command_line import GROUPS, app
from flows.cli.completion import _files
from tests.helpers.evaluated_studies import make_results
from tests.helpers.pseudo_terminal import OnTerminal
from tests.helpers.stored_studies import unpack

WITHOUT_JSON = {"predict", "ui", "watch"}
"""JSON lines are their answer, or they go on until they are stopped."""
ANSWERS: dict[str, set[str]] = {
    "list": {"home", "studies"},
    "show claims": {"study", "arms"},
    "status claims": {"study", "running", "prepared", "damaged", "differs", "searches", "stages", "runs"},
    "report claims": {"study", "report", "summary"},
    "diagnose claims": {"study", "checks"},
    "seeds claims": {"study", "seeds_needed"},
    "diff claims/full/0 claims/full/1": {"a", "b", "seeds", "metrics"},
    "compare claims --resamples 100": {"studies", "pairs"},
    "open claims": {"study", "address"},
    "clean": {"home", "deleted", "n_bytes", "files"},
    "delete many": {"study", "deleted", "n_bytes", "files"},
    "repair": {"home", "studies", "comparisons"},
    "server status": {"home", "exists", "runs", "is_up", "services"},
    "init --output {}/new.yaml": {"study", "path"},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return unpack(tmp_path_factory.mktemp("home"))


def bertft(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    return int(ended.value.code or 0)


def names() -> set[str]:
    return {name for group in GROUPS.values() for name in group}


# --json


def test_every_command_with_an_answer_has_it_in_json(capsys):
    for name in names():
        bertft(name, "--help")
        assert ("--json" in capsys.readouterr().out) is (name not in WITHOUT_JSON), name
    tried = {words.split()[0] for words in ANSWERS} | {"server"}
    trained = {"run", "plan", "check-data", "verify", "replay", "export"}
    assert names() - WITHOUT_JSON - tried == trained | {"recommend", "announce", "fetch"}, "these are tried where studies are run"


@pytest.mark.parametrize("words", ANSWERS)
def test_nothing_but_one_json_value_is_on_stdout(words, home, tmp_path, capsys):
    place = [] if words.startswith("init") else ["--home", str(home)]
    code = bertft(*words.format(tmp_path).split(), "--json", *place)
    found = json.loads(capsys.readouterr().out)
    assert set(found) >= ANSWERS[words]
    assert code == (1 if words == "server status" else 0)


@pytest.mark.parametrize("served", [True, False])
def test_what_was_announced_is_said_in_json(served, home, capsys, monkeypatch):
    from flows.cli import announce_command

    async def announced(*_: object) -> bool:
        return served

    monkeypatch.setattr(announce_command, "_announce", announced)
    monkeypatch.setattr(announce_command, "_api_url", lambda: "http://127.0.0.1:1/api")
    assert bertft("announce", "claims", "--json", "--home", str(home)) == 0
    shown = capsys.readouterr()
    found = json.loads(shown.out)
    expected = {"event": "bertft.dataset.updated", "study": "claims", "home": str(home), "starts": served}
    assert found == expected | {"look": found["look"]}
    assert found["look"].endswith("/runs")
    assert ("nothing starts" in shown.err) is not served


def test_a_refusal_leaves_stdout_empty(home, capsys):
    assert bertft("show", "clams", "--json", "--home", str(home)) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "did you mean 'claims'?" in shown.err


def test_json_of_one_command_says_nothing_of_the_next(home, capsys):
    bertft("list", "--json", "--home", str(home))
    capsys.readouterr()
    bertft("list", "--home", str(home))
    assert capsys.readouterr().out.startswith("study ")


def test_the_states_of_runs_are_counted(tmp_path, capsys):
    make_results(tmp_path, {"a": [0.6, "failed", "missing"]}, name="half")
    assert bertft("status", "half", "--json", "--home", str(tmp_path)) == 1
    found = json.loads(capsys.readouterr().out)
    (stage,) = found["stages"]
    assert {state: stage[state] for state in ("done", "running", "failed", "missing")} == {
        "done": 1,
        "running": 0,
        "failed": 1,
        "missing": 1,
    }
    assert [run["state"] for run in found["runs"]] == ["done", "failed", "missing"]
    assert [("error" in run) for run in found["runs"]] == [False, True, False]


# -q and -v


def test_quietly_only_the_answer_is_printed(home, capsys):
    bertft("compare", "claims", "--resamples", "100", "--home", str(home))
    whole = capsys.readouterr()
    assert "page      " in whole.out
    bertft("compare", "claims", "--resamples", "100", "-q", "--home", str(home))
    quiet = capsys.readouterr()
    assert quiet.out.strip() == whole.out.partition("\n\npage")[0].strip()


def test_quietly_errors_are_still_printed(home, capsys):
    assert bertft("show", "clams", "--quiet", "--home", str(home)) == 2
    assert "error:" in capsys.readouterr().err


def test_what_is_computed_and_logged_is_printed_on_request(home):
    log = "import logging, sys; from flows.cli import show_commands as s; real = s.rebuild_report\n"
    log += "def rebuild(found, **how): logging.getLogger('some.library').info('at %d', 7); return real(found, **how)\n"
    log += "s.rebuild_report = rebuild\nfrom flows.cli.app import main\nmain(sys.argv[1:])"
    words = ["report", "claims", "--home", str(home)]
    usual, verbose = (
        subprocess.run([sys.executable, "-c", log, *words, *more], capture_output=True, text=True, check=True)
        for more in ([], ["-v"])
    )
    assert "some.library" not in usual.stderr
    assert "some.library: at 7" in verbose.stderr
    assert "evaluating 10 records" in verbose.stderr
    assert usual.stdout == verbose.stdout


def test_both_at_once_are_refused(home, capsys):
    assert bertft("list", "-q", "-v", "--home", str(home)) == 2
    assert "exclude each other" in capsys.readouterr().err


# Help


def test_every_command_is_in_a_group_and_the_groups_are_aligned(capsys):
    bertft("--help")
    lines = capsys.readouterr().out.splitlines()
    headings = [line.rstrip(":") for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert headings == ["Options", *GROUPS]
    shown = {
        line.split()[0]: line.index(line.split(None, 1)[1]) for line in lines[lines.index("Start:") :] if line.startswith("  ")
    }
    assert names() | {"server"} == set(shown)
    assert set(shown.values()) == {14}
    assert len(app.registered_commands) == len(names()) + 1, "and `settle`, which is hidden"


@pytest.mark.parametrize("name", sorted(names()))
def test_arguments_and_values_have_plain_names(name, capsys):
    bertft(name, "--help")
    shown = capsys.readouterr().out
    assert re.search(r" <|\{|\[\[", shown) is None


def help_on(columns: int) -> list[str]:
    command = [sys.executable, "-m", "flows.cli.app", "recommend", "--help"]
    return OnTerminal(command, columns=columns).ended().splitlines()


def test_help_is_as_wide_as_the_terminal():
    assert max(map(len, help_on(60))) <= 60
    assert 80 < max(map(len, help_on(100))) <= 100


# Completion


def completed(line: str, home: Path, cwd: Path) -> list[str]:
    words = line.split(" ")
    asked = {"_BERTFT_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1), "BERTFT_HOME": str(home)}
    command = [sys.executable, "-c", "from flows.cli.app import main; main()"]
    return subprocess.run(command, env=os.environ | asked, capture_output=True, text=True, check=True, cwd=cwd).stdout.split()


def test_studies_configs_and_commands_are_completed(home, tmp_path):
    (tmp_path / "claims.yaml").touch()
    (tmp_path / "claims.csv").touch()
    assert completed("bertft show cl", home, tmp_path) == ["claims", "claims.yaml"]
    assert completed("bertft run glue/r", home, tmp_path) == [name for name in ready_names() if name.startswith("glue/r")]
    assert set(completed("bertft plan cl", home, tmp_path)) == {"claims", "claims.yaml"}
    assert completed("bertft sho", home, tmp_path) == ["show"]
    assert completed(f"bertft show --home {tmp_path} cl", home, tmp_path) == ["claims.yaml"], "another home"


@pytest.mark.parametrize("error", [PermissionError, FileNotFoundError, NotADirectoryError])
def test_a_folder_that_cannot_be_read_completes_nothing(error, monkeypatch):
    def refuses(_: Path) -> None:
        raise error

    monkeypatch.setattr(Path, "is_dir", lambda _: True)
    monkeypatch.setattr(Path, "iterdir", refuses)
    assert _files("closed/") == []


def test_a_shells_script_is_printed():
    """typer looks for the shell among the parents of the process, of which a test may have none, unless told not to."""
    shown = subprocess.run(
        [sys.executable, "-m", "flows.cli.app", "--show-completion", "bash"],
        env=os.environ | {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "complete -o default -F" in shown.stdout + shown.stderr


# Names and configs


def test_a_command_for_configs_takes_the_name_of_a_study_in_the_home(tmp_path, monkeypatch):
    from bertft_core.config import UserError
    from flows.cli.find_study import given_config, load_config

    results = make_results(tmp_path, {"a": [0.6, 0.7]}, name="tickets")
    monkeypatch.chdir(tmp_path)
    found = load_config(Path("tickets"), ["seeds.n=7"], tmp_path)
    assert (found.name, found.seeds.n) == ("tickets", 7)
    assert load_config(Path("tickets"), [], tmp_path).digest == results.study.digest
    assert given_config(Path("quickstart"), tmp_path) == "quickstart"
    for name in ("tickets", "quickstart"):
        (tmp_path / name).mkdir()
        assert load_config(Path(name), [], tmp_path).name, "a folder of that name, such as an exported model, is no config"
        (tmp_path / name).rmdir()
    with pytest.raises(UserError) as caught:
        load_config(Path("tickets"), ["seeds.nn=7"], tmp_path)
    assert "seeds.nn" in str(caught.value)
    with pytest.raises(UserError) as caught:
        load_config(Path("tikets"), [], tmp_path)
    assert caught.value.code == "config.no-such-file"
    (tmp_path / "tickets").write_text("name: another\n")
    assert given_config(Path("tickets"), tmp_path) == "tickets", "a file wins"


def test_a_command_for_studies_takes_the_name_of_a_ready_one(tmp_path):
    from bertft_core.library.study_on_disk import study_dir_of

    assert study_dir_of("glue/rte", tmp_path).path.name == "glue-rte"
    assert study_dir_of("quickstart", tmp_path).path.name
