"""Studies started from a program: what the child command gets, data that are in memory, and a refusal that comes back as one."""

from __future__ import annotations

import shutil
from typing import Any

import datasets
import pandas as pd
import pytest
import yaml

import bertft_core as bertft
from bertft_core.config import load_study as load_config
from bertft_core.config import parse_study
from bertft_core.data.prepare_study_data import prepare_data
from bertft_core.library import run_as_child as run_module
from tests.helpers.product_modules import ROOT
from tests.helpers.tiny_encoders import tiny_encoder

TEXTS = pd.DataFrame({"message": [f"{word} {i}" for i in range(12) for word in ("good", "bad")], "tag": ["up", "down"] * 12})
CONFIG: dict[str, Any] = {
    "name": "mine",
    "data": {"text": "message", "label": "tag"},
    "arms": {"full": {}},
    "training": {"max_steps": 2},
    "seeds": {"n": 2},
}


@pytest.fixture
def asked(monkeypatch) -> list[list[str]]:
    """The words of every command, none of which is carried out; opening the study is not part of it."""
    found: list[list[str]] = []

    def record(words: list[str], *, quiet: bool) -> tuple[int, str]:
        found.append(words)
        return 0, ""

    monkeypatch.setattr(run_module, "_carried_out", record)
    monkeypatch.setattr(run_module, "load_study", lambda name, home: (name, home))
    return found


def test_a_config_file_and_its_overrides_reach_the_command(asked, tmp_path):
    assert bertft.run("quickstart", overrides=["seeds.n=7"], home=tmp_path, force=True) == ("quickstart", tmp_path)
    assert asked == [["run", "quickstart", "--home", str(tmp_path), "--force", "--set", "seeds.n=7"]]


def test_frames_become_files_of_the_study_and_a_whole_config_beside_them(asked, tmp_path):
    bertft.run(CONFIG, data={"train": TEXTS, "test": TEXTS[:4], "reviews": TEXTS[4:8]}, overrides=["seeds.n=3"], home=tmp_path)
    (words,) = asked
    given = tmp_path / "studies" / "mine" / "given"
    assert words == ["run", str(given / "study.yaml"), "--home", str(tmp_path)]
    study = load_config(given / "study.yaml")
    assert (study.data.train, study.data.test) == (str(given / "train.parquet"), str(given / "test.parquet"))
    assert study.data.out_of_domain == {"reviews": str(given / "reviews.parquet")}
    assert (study.data.text, study.seeds.n) == ("message", 3)
    pd.testing.assert_frame_equal(pd.read_parquet(study.data.train), TEXTS, check_dtype=False)


def test_frames_of_a_config_file_and_of_the_library_datasets(asked, tmp_path):
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(CONFIG))
    features = datasets.Features({"message": datasets.Value("string"), "tag": datasets.ClassLabel(names=["down", "up"])})
    as_numbers = TEXTS.replace({"tag": {"down": 0, "up": 1}}).astype({"tag": int})
    given = datasets.Dataset.from_dict(as_numbers.to_dict("list"), features=features)
    bertft.run(tmp_path / "mine.yaml", data={"train": given}, home=tmp_path / "home")
    bertft.run(CONFIG, data={"train": TEXTS.astype({"tag": "category"})}, home=tmp_path / "other")
    first, second = (pd.read_parquet(load_config(words[1]).data.train) for words in asked)
    pd.testing.assert_frame_equal(first, second)


def test_the_data_are_known_by_their_content(asked, tmp_path):
    """The fingerprint of a frame is that of the same examples in a CSV file."""
    own = CONFIG | {"encoder": {"path": str(tiny_encoder(tmp_path / "encoder"))}, "data": CONFIG["data"] | {"max_length": 16}}
    bertft.run(own, data={"train": TEXTS}, home=tmp_path / "home")
    TEXTS.to_csv(tmp_path / "texts.csv", index=False)
    of_file = own | {"data": own["data"] | {"source": "files", "train": str(tmp_path / "texts.csv")}}
    cards = [prepare_data(study, home_dir=tmp_path / "home") for study in (load_config(asked[0][1]), parse_study(of_file))]
    assert cards[0].fingerprint == cards[1].fingerprint


@pytest.mark.parametrize(
    ("config", "data", "code"),
    [
        (CONFIG, {"test": TEXTS}, "given-data.no-train"),
        (CONFIG, {"train": [("good", "up")]}, "given-data.not-a-table"),
        (CONFIG | {"seed": {"n": 2}}, {"train": TEXTS}, ""),
        (CONFIG | {"seeds": {"m": 2}}, {"train": TEXTS}, "config.unknown-key"),
        ("quickstrat", None, "config.no-such-file"),
    ],
)
def test_a_mistake_is_an_error_here_before_anything_is_written_or_started(asked, tmp_path, config, data, code):
    with pytest.raises(bertft.UserError) as caught:
        bertft.run(config, data=data, home=tmp_path)
    assert (code in ("", caught.value.code), bool(caught.value.hint)) == (True, True)
    assert asked == []
    assert not list(tmp_path.rglob("*.parquet"))


def test_what_the_command_refuses_is_an_error_with_its_words(tmp_path, capsys):
    """A study of an older version, which the command looks for before anything else."""
    older = tmp_path / "studies" / "older" / "config.json"
    older.parent.mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "assets" / "study-0.1" / "studies" / "older" / "config.json", older)
    with pytest.raises(bertft.UserError) as caught:
        bertft.run(CONFIG | {"name": "older", "data": {"source": "bundled", "name": "reviews"}}, home=tmp_path)
    assert caught.value.code == "run.refused"
    assert "was run by an older version of bertft" in caught.value.problem
    assert "--force" in str(caught.value.hint)
    assert "was run by an older version of bertft" in capsys.readouterr().err, "the command's own lines are passed on"


def test_a_call_that_is_refused_leaves_the_files_of_an_earlier_one(asked, tmp_path, monkeypatch):
    bertft.run(CONFIG, data={"train": TEXTS}, home=tmp_path)
    given = tmp_path / "studies" / "mine" / "given"
    before = {path.name: path.read_bytes() for path in given.iterdir()}
    monkeypatch.setattr(run_module, "_carried_out", lambda words, *, quiet: (2, "error: there is no column 'label'\n"))
    with pytest.raises(bertft.UserError, match="there is no column 'label'"):
        bertft.run(CONFIG | {"data": {}}, data={"train": TEXTS[:4], "test": TEXTS}, home=tmp_path)
    assert {path.name: path.read_bytes() for path in given.iterdir()} == before
