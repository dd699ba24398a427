"""`bertft run` as a person meets it: what it prints and leaves, what it trains again, and how it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from filelock import FileLock
from typer.testing import CliRunner

from bertft_core.records import StudySummary
from bertft_core.report.text_table import result_table
from bertft_core.storage.study_dir import checked_record, write_record
from flows.cli.app import app
from tasks.process_identity import Owner
from tests.helpers.study_commands import FEATURES, TinyStudy, clean_environment, mtimes, run_several

COMMANDS = ("run", "plan", "check-data", "status", "repair", "clean", "show", "report", "ui", "announce")
DEAD = "http://127.0.0.1:9"
HOSTILE = {
    "HTTP_PROXY": DEAD,
    "https_proxy": DEAD,
    "ALL_PROXY": "socks4://127.0.0.1:9",
    "NO_PROXY": "example.org",
    "PREFECT_HOME": "/nowhere/prefect",
    "PREFECT_PROFILES_PATH": "/nowhere/profiles.toml",
    "PREFECT_SERVER_DATABASE_CONNECTION_URL": "sqlite+aiosqlite:////nowhere/prefect.db",
    "PREFECT_API_AUTH_STRING": "admin:pass",
    "PREFECT_LOGGING_LEVEL": "nonsense",
    "MLFLOW_EXPERIMENT_NAME": "other",
    "MLFLOW_RUN_ID": "0123",
    "MLFLOW_REGISTRY_URI": "sqlite:////nowhere/registry.db",
    "PYTHONIOENCODING": "ascii",
}
"""What a company's network and a shell full of settings for other tools hold."""
LINE = re.compile(r"\[\d+:\d\d\] (?P<stage>[a-z ]+?)( · (?P<done>\d+)/(?P<planned>\d+) runs)?( · .*)?")


def test_a_study_ends_with_its_table_and_where_to_look(finished):
    study, command = finished
    assert result_table(study.summary) in command.stdout
    report = study.dir.report_dir / "report.html"
    (search_report,) = study.dir.path.glob("sweep/*/report.html")
    assert f"report    {report}" in command.stdout
    assert f"search    {search_report}" in command.stdout
    assert f"bertft ui --home {study.home} --study {study.name}" in command.stdout
    for path in (report, search_report):
        assert path.read_text(encoding="utf-8").rstrip().endswith("</html>")
    rows = (study.dir.report_dir / "runs.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) > 4, "a header, and the runs of two arms over two seeds"
    copied = checked_record(study.dir.report_dir / "summary.json", StudySummary)
    assert copied == study.summary


def test_progress_says_stage_runs_and_time_left_the_whole_time(finished):
    lines = [match for line in finished.command.stderr.splitlines() if (match := LINE.fullmatch(line))]
    stages = list(dict.fromkeys(match["stage"] for match in lines))
    assert stages[0] == "preparing the data"
    assert set(stages[1:3]) == {"searching", "training over seeds"}, "arms without a search begin before the search does"
    assert stages[-1] == "writing the report"
    of_seeds = [match for match in lines if match["stage"] == "training over seeds"]
    assert {match["planned"] for match in of_seeds} == {"4"}
    assert all("time left" in match[0] for match in of_seeds)
    shown = [line for line in finished.command.stderr.splitlines() if "PREFECT" in line.upper()]
    assert [line.partition("http")[0] for line in shown] == ["Prefect's server is "]


def test_run_again_it_trains_nothing_and_prints_the_same_table(finished):
    study, command = finished
    before, summary = mtimes(study), study.summary
    again = study.run()
    assert mtimes(study) == before
    assert again.stdout == command.stdout
    assert study.summary == summary
    assert "worker" not in again.stderr


def test_programs_get_one_json_value_and_a_quiet_command_says_its_answer_alone(finished):
    study = finished.study
    words = (["run", study.name], ["check-data", str(study.config)], ["plan", study.name])
    home = ["--home", str(study.home)]
    asked = [[*each, "--json", *home] for each in words] + [["run", study.name, "-q", *home]]
    *in_json, quiet = run_several(asked, study.environment)
    ran, data, planned = (json.loads(end.stdout) for end in in_json)
    assert [end.code for end in (*in_json, quiet)] == [0] * 4
    assert ran == json.loads(study.summary.model_dump_json()), "a study of the home is continued by its name"
    assert data["fingerprint"] == json.loads(study.dir.card_path.read_text())["fingerprint"]
    assert {(part["stage"], part["n_todo"]) for part in planned["parts"]} == {("search", 0), ("seeds", 0)}
    assert planned["seconds"] == 0.0
    assert quiet.stdout.strip() == result_table(study.summary).strip()
    assert quiet.stderr == ""


@pytest.mark.slow
def test_without_a_server_and_in_another_home_it_gives_the_same_numbers(finished, shared, tmp_path):
    """With nothing prepared: no Prefect server, no MLflow store, and a home that Prefect has never seen."""
    study = finished.study
    alone = TinyStudy(tmp_path, shared, clean_environment(**HOSTILE), arms={"features": FEATURES})
    database = alone.home / "prefect" / "prefect.db"
    database.parent.mkdir()
    database.write_bytes(b"torn" * 1000)
    (tmp_path / ".env").write_text(
        "PREFECT_HOME=/nowhere\nPREFECT_SERVER_DATABASE_CONNECTION_URL=sqlite+aiosqlite:////nowhere/a.db\n"
    )
    ended = alone.run()
    assert "starting Prefect's embedded server" in ended.stderr
    assert len(alone.weights) == 2
    assert alone.weights.items() <= study.weights.items()
    assert alone.summary.arms[0] == study.summary.arms[0]
    assert len(alone.runs("seeds")) == 2
    assert (alone.home / "prefect").is_dir()


@pytest.mark.slow
def test_an_override_is_part_of_the_study_and_more_seeds_keep_the_first_ones(finished_copy):
    """One arm gets another learning rate, the other one a third seed; then everything is trained again."""
    study = finished_copy
    first, written = study.records, mtimes(study)
    options = ("--set", "seeds.n=3", "--set", "arms.features.learning_rate=2e-3")
    study.run(*options)
    new = [record.spec for digest, record in study.records.items() if digest not in first]
    assert sorted((spec.arm, spec.index) for spec in new) == [("features", 0), ("features", 1), ("features", 2), ("full", 2)]
    assert {spec.training.learning_rate for spec in new if spec.arm == "features"} == {2e-3}
    assert [arm.n_planned for arm in study.summary.arms] == [3, 3]
    assert written.items() <= mtimes(study).items()
    settings = {(run.data.tags["bertft.arm"], run.data.tags["bertft.setting_digest"]) for run in study.runs()}
    assert len([setting for setting in settings if setting[0] == "full"]) == 1, "of all its seeds"
    newest = max(study.runs("study"), key=lambda run: run.info.start_time)
    parents = {run.data.tags["bertft.run_digest"]: run.data.tags["mlflow.parentRunId"] for run in study.runs()}
    asked = {seed.run_digest for arm in study.summary.arms for seed in arm.seeds}
    assert len(asked) == 6
    assert {parents[digest] for digest in asked} == {newest.info.run_id}

    weights = study.weights
    written = {path: written_at for path, written_at in mtimes(study).items() if path.endswith("record.json")}
    study.run(*options, "--force")
    again = {Path(path).parent.name for path, written_at in mtimes(study).items() if written.get(path, written_at) != written_at}
    assert {study.dir.run_dir(digest).name for digest in asked} <= again
    assert study.weights == weights, "trained again, with the same result"
    logged = [run.data.tags["bertft.run_digest"] for run in study.runs()]
    assert len(logged) == len(set(logged)), "no MLflow run twice"


def test_a_study_that_is_running_is_refused(new_study):
    study = new_study()
    study.dir.path.mkdir(parents=True)
    owner = Owner(host="box", pid=12345, began=1.0, since="2026-01-01T00:00:00+00:00", command="bertft run tiny.yaml")
    write_record(study.dir.path / "lock.json", owner)
    with FileLock(study.dir.path / "lock"):
        ended = study.run(expect=2)
    assert "another command is running the study 'tiny'" in ended.stderr
    assert "process 12345 on box, since 2026-01-01T00:00:00+00:00: bertft run tiny.yaml" in ended.stderr


def test_a_prefect_server_that_does_not_answer_is_reported(new_study):
    ended = new_study().run(expect=2, PREFECT_API_URL="http://127.0.0.1:9/api")
    assert "error: Prefect's server does not answer" in ended.stderr
    assert "unset PREFECT_API_URL" in ended.stderr


GOOD = "name: small\ndata: {source: bundled, name: reviews}\narms: {full: {}}\n"
BAD_CONFIGS = {
    "an unknown key": (f"{GOOD}training:\n  learning_rat: 1\n", 5, "learning_rate"),
    "a value of another kind": (f"{GOOD}seeds:\n  n: many\n", 5, "seeds.n"),
    "no YAML": ("name: [\n", None, "YAML"),
    "no data": ("name: nothing\n", None, "data"),
}
BAD_DATA = {
    "a line that is no JSON": ('{"text": "good", "label": "a"}\n{"text": \n', "train.jsonl", 2, "JSON"),
    "a missing column": ('{"text": "good"}\n', "train.jsonl", 1, "label"),
    "an empty text": ('{"text": " ", "label": "positive"}\n', "train.jsonl", 1, "empty"),
    "a missing label": ('{"text": "good", "label": null}\n', "train.jsonl", 1, "label"),
    "one class only": ('{"text": "good", "label": "positive"}\n' * 3, "train.jsonl", None, "only one label"),
    "a label only in validation": ('{"text": "so so", "label": "middling"}\n', "validation.jsonl", 1, "middling"),
    "a file that is not UTF-8": (b'{"text": "caf\xe9", "label": "positive"}\n', "test.jsonl", 1, "UTF-8"),
    "a row with too many cells": ("text,label\ngood,positive\nbad,negative,1\n", "train.csv", 3, "too many cells"),
    "no such file": (None, "validation.jsonl", None, "file not found"),
}


@pytest.mark.slow
def test_a_mistake_is_one_message_with_its_place_and_exit_code_2(shared, tmp_path, server_environment):
    """Every kind of mistake in turn, in one process."""
    commands, expected = [], []
    for n, (text, line, words) in enumerate(BAD_CONFIGS.values()):
        path = tmp_path / f"{n}.yaml"
        path.write_text(text)
        commands.append(["run", str(path), "--home", str(tmp_path / "home")])
        expected.append((path, line, words))
    for n, (text, file, line, words) in enumerate(BAD_DATA.values()):
        study = TinyStudy(tmp_path / f"data-{n}", shared, server_environment)
        path = tmp_path / f"data-{n}" / file
        write(path, text)
        commands.append(["run", str(study.config), "--home", str(study.home), "--set", f"data.{path.stem}={path}"])
        expected.append((path, line, words))
    commands.append(["run", str(tmp_path / "missing.yaml"), "--home", str(tmp_path / "home")])
    expected.append((tmp_path / "missing.yaml", None, "check the path"))
    ended = run_several(commands, server_environment)
    assert len(ended) == len(expected) == 14
    for command, end, (path, line, words) in zip(commands, ended, expected, strict=True):
        place = f"{path}:{line}:" if line else str(path)
        assert end.code == 2, (command, end)
        assert end.stderr.count("error: ") == 1, end.stderr
        assert place in end.stderr, end.stderr
        assert words in end.stderr, end.stderr
        assert "Traceback" not in end.stderr, end.stderr


def write(path, text: str | bytes | None) -> None:
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())


def test_a_wrong_word_on_the_command_line_is_reported_with_exit_code_2(finished):
    study = finished.study
    home = ["--home", str(study.home)]
    commands = [
        ["run", str(study.config), "--sett", "seeds.n=3", *home],
        ["run", *home],
        ["runn", *home],
        ["run", str(study.config), "--set", "seeds.maxx=3", *home],
        ["show", "tinny", *home],
    ]
    ended = run_several(commands, study.environment)
    assert [end.code for end in ended] == [2] * 5
    for end, words in zip(ended, ("--set", "CONFIG", "run", "did you mean", "did you mean 'tiny'?"), strict=True):
        assert words in end.stderr
        assert "Traceback" not in end.stderr


def test_help_says_every_command_every_option_and_the_exit_codes():
    help_of = {command: CliRunner().invoke(app, [command, "--help"]) for command in COMMANDS}
    whole = CliRunner().invoke(app, ["--help"])
    assert {found for found in COMMANDS if re.search(rf"^\s+{found}\s+\S", whole.output, re.MULTILINE)} == set(COMMANDS)
    assert "..." not in whole.output.partition("Start:")[2], "no sentence is cut"
    assert "0 done, 1 some runs failed, 2 the user must change something" in whole.output
    for command, result in help_of.items():
        assert result.exit_code == 0
        assert "--home" in result.output, command
        for line in re.findall(r"^  (--?\w.*|[A-Z]+ .*)$", result.output, re.MULTILINE):
            assert re.search(r"\S  +\S", line), f"{command}: nothing is said about {line}"
    assert "--force" in help_of["run"].output
    assert "--json" in help_of["show"].output
    assert "--set" in help_of["plan"].output
