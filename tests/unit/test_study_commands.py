"""`bertft init`, `list`, `open` and `delete`: whole studies, from a template to nothing left."""

from __future__ import annotations

import json
import shutil
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from filelock import FileLock

from bertft_core.config import UserError, load_study
from bertft_core.config.head_settings import HEAD_CONFIGS
from bertft_core.recipes.study_templates import DATA
from bertft_core.storage.study_dir import StudyDir
from flows.cli.app import app, main
from tests.helpers.evaluated_studies import make_results
from tests.helpers.small_records import make_card
from tests.helpers.stored_studies import NAMES, unpack


def bertft(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    return int(ended.value.code or 0)


# init


@pytest.mark.parametrize("kind", sorted(DATA))
def test_a_template_is_a_commented_study_of_its_task(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert bertft("init", kind, "--output", f"{kind}.yaml") == 0
    study = load_study(tmp_path / f"{kind}.yaml")
    assert (study.head.kind, study.name, len(study.arms)) == (kind, kind, 2)
    assert (tmp_path / f"{kind}.yaml").read_text().count("#") >= 10


def test_there_is_a_template_for_every_head():
    assert set(DATA) == set(HEAD_CONFIGS)


def test_what_a_template_offers_in_comments_is_valid_too(tmp_path):
    """Every commented key, put in."""
    app(["init", "--output", str(tmp_path / "study.yaml")], standalone_mode=False)
    text = (tmp_path / "study.yaml").read_text()
    names = ("# validation:", "# test:", "# encoder:", "# searched:")
    offered = [line for line in text.splitlines() if line.lstrip().startswith(names)]
    assert len(offered) == 4
    for line in offered:
        text = text.replace(line, line.replace("# ", "", 1))
    text = text.replace(", test_ratio: 0.2", "")  # as the comment says
    (tmp_path / "study.yaml").write_text(text)
    study = load_study(tmp_path / "study.yaml")
    assert study.arms["searched"].search is not None
    assert study.encoder.checkpoint == "google-bert/bert-base-uncased"


def test_no_file_is_overwritten(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("mine")
    with pytest.raises(UserError) as caught:
        app(["init", "--output", str(path)], standalone_mode=False)
    assert (caught.value.code, path.read_text()) == ("init.file-exists", "mine")
    with pytest.raises(UserError) as caught:
        app(["init", "regresion", "--output", str(tmp_path / "new.yaml")], standalone_mode=False)
    assert "did you mean 'regression'" in str(caught.value)


# list


def test_every_study_is_listed_with_its_runs_and_scores(tmp_path, capsys):
    home = unpack(tmp_path)
    assert bertft("list", "--home", str(home), "--json") == 0
    rows = {row["study"]: row for row in json.loads(capsys.readouterr().out)["studies"]}
    assert set(rows) == set(NAMES)
    claims = rows["claims"]
    assert (claims["n_done"], claims["n_planned"], claims["state"]) == (10, 10, "done")
    assert {arm["arm"]: round(arm["mean"], 3) for arm in claims["arms"]} == {"untrained": 0.212, "full": 0.896}
    files = [path for path in (home / "studies" / "claims").rglob("*") if path.is_file()]
    assert claims["n_bytes"] == sum(path.stat().st_size for path in files)
    assert bertft("list", "--home", str(home)) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("claims")]
    assert "done" in line
    assert "10/10" in line
    assert "accuracy on test: untrained 0.212, full 0.896" in line


def test_states_are_told_apart(tmp_path, capsys):
    make_results(tmp_path, {"a": [0.6, "failed", 0.7]}, name="broken")
    make_results(tmp_path, {"a": [0.6, "missing", 0.7]}, name="half")
    make_results(tmp_path, {"a": [0.6, 0.7]}, name="busy")
    make_results(tmp_path, {"a": [0.6, 0.7]}, name="torn")
    make_results(tmp_path, {"a": [0.6, 0.7]}, name="early")
    StudyDir(tmp_path, "torn").config_path.write_text("{")
    StudyDir(tmp_path, "early").summary_path.unlink()
    lock = FileLock(StudyDir(tmp_path, "busy").path / "lock")
    with lock:
        assert bertft("list", "--home", str(tmp_path), "--json") == 0
    found = {row["study"]: row for row in json.loads(capsys.readouterr().out)["studies"]}
    states = {name: row["state"] for name, row in found.items()}
    assert states == {"broken": "unfinished", "half": "unfinished", "busy": "running", "torn": "damaged", "early": "unfinished"}
    assert (found["broken"]["n_failed"], found["half"]["n_done"], found["early"]["n_done"]) == (1, 2, 2)


def test_an_empty_home_is_said_to_be_empty(tmp_path, capsys):
    assert bertft("list", "--home", str(tmp_path / "none")) == 0
    assert "no studies in" in capsys.readouterr().out
    assert not (tmp_path / "none").exists()


# open


def test_the_address_is_printed_and_opened_where_there_is_a_screen(tmp_path, capsys, monkeypatch):
    make_results(tmp_path, {"a": [0.6, 0.7]})
    report = StudyDir(tmp_path, "small").report_dir / "report.html"
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    with pytest.raises(UserError) as caught:
        app(["open", "small", "--home", str(tmp_path)], standalone_mode=False)
    assert caught.value.code == "open.no-report"
    report.parent.mkdir()
    report.write_text("<p>report</p>")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert bertft("open", "small", "--home", str(tmp_path)) == 0
    assert (capsys.readouterr().out.strip(), opened) == (report.as_uri(), [])
    monkeypatch.setenv("DISPLAY", ":0")
    assert bertft("open", "small", "--home", str(tmp_path)) == 0
    assert opened == [report.as_uri()]


# delete


@pytest.fixture
def home(tmp_path) -> Path:
    """Two studies that share one data folder, and one that has its own."""
    home = tmp_path / "home"
    for name, letter in (("first", "f"), ("second", "f"), ("third", "a")):
        card = make_card(home).model_copy(update={"fingerprint": letter * 64, "directory": str(home / "data" / (letter * 64))})
        make_results(home, {"a": [0.6, 0.7]}, name=name, card=card)
        (home / "data" / (letter * 64)).mkdir(parents=True, exist_ok=True)
        (home / "data" / (letter * 64) / "train.arrow").write_bytes(b"0" * 3000)
    return home


def there(home: Path) -> set[str]:
    return {path.name for path in (*home.glob("studies/*"), *home.glob("data/*")) if path.is_dir()}


def test_it_says_what_goes_and_deletes_only_when_asked(home, capsys):
    before = there(home)
    assert bertft("delete", "third", "--home", str(home)) == 0
    shown = capsys.readouterr().out
    assert "studies/third" in shown
    assert f"data/{'a' * 64}" in shown
    assert f"do it with --yes: bertft delete third --yes --home {home}" in shown
    assert there(home) == before
    assert bertft("delete", "third", "--home", str(home), "--yes") == 0
    assert there(home) == before - {"third", "a" * 64}


def test_the_same_command_finishes_what_a_kill_has_left(home, monkeypatch):
    """Killed again and again, one file or folder later each time."""
    rmtree, unlink, n_left = shutil.rmtree, Path.unlink, [0]

    def one_of(really: Callable[..., object]) -> Callable[..., object]:
        def delete(path: Path, *words: object, **named: object) -> object:
            if n_left[0] == 0:
                raise KeyboardInterrupt
            n_left[0] -= 1
            return really(path, *words, **named)

        return delete

    for n in range(20):
        n_left[0] = n
        with monkeypatch.context() as patched, suppress(KeyboardInterrupt):
            patched.setattr(shutil, "rmtree", one_of(rmtree))
            patched.setattr(Path, "unlink", one_of(unlink))
            bertft("delete", "third", "--home", str(home), "--yes")
        if "third" not in there(home):
            break
        assert bertft("list", "--home", str(home)) == 0
    assert n > 2
    assert bertft("clean", "--yes", "--home", str(home)) == 0, "data that were half deleted have a temporary name"
    assert there(home) == {"first", "second", "f" * 64}


def test_data_that_another_study_uses_stay(home, capsys):
    assert bertft("delete", "first", "--home", str(home), "--yes") == 0
    assert there(home) == {"second", "third", "f" * 64, "a" * 64}
    assert bertft("delete", "second", "--home", str(home), "--yes") == 0
    assert there(home) == {"third", "a" * 64}


def test_a_study_that_runs_and_one_that_is_not_there_are_refused(home, capsys):
    with FileLock(StudyDir(home, "first").path / "lock"), pytest.raises(UserError) as caught:
        app(["delete", "first", "--yes", "--home", str(home)], standalone_mode=False)
    assert caught.value.code == "study.locked"
    with pytest.raises(UserError) as caught:
        app(["delete", "fist", "--yes", "--home", str(home)], standalone_mode=False)
    assert "did you mean 'first'" in str(caught.value)
    assert there(home) == {"first", "second", "third", "f" * 64, "a" * 64}


def test_data_stay_while_another_study_runs(home):
    with FileLock(StudyDir(home, "first").path / "lock"):
        assert bertft("delete", "third", "--home", str(home), "--yes") == 0
    assert "a" * 64 in there(home), "the study that runs may begin to use them"


def test_nothing_goes_while_another_study_cannot_be_read(home):
    card = StudyDir(home, "second").card_path
    shutil.copy(card, home / "card")
    card.write_text("{")
    with pytest.raises(UserError):
        app(["delete", "first", "--yes", "--home", str(home)], standalone_mode=False)
    assert "first" in there(home)
