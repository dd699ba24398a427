"""`bertft predict` from the files of a study to lines of JSON: which models answer, where inputs come from, what is refused."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest

import bertft_core as bertft
from bertft_core.config import StudyConfig
from bertft_core.evaluation.summarize import summarize
from bertft_core.planning.run_specs import plan_runs
from bertft_core.records import RunRecord, StudySummary
from bertft_core.records.ranking import best_arm, ranked_runs
from bertft_core.storage.study_dir import StudyDir, read_record, write_record
from bertft_core.storage.study_results import StudyResults
from bertft_core.training.run import train_run
from flows.cli.app import main
from tests.helpers.tiny_studies import tiny_study

TEXTS = "good film\nthe food was bad, and the end was never good\n"

CHOOSING = ("validation", "best", "accuracy")


class Ended(NamedTuple):
    """A command that ended."""

    code: int
    rows: list[dict[str, Any]]
    stderr: str


class Command:
    """`bertft predict` over one home, in this process."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.home, self._capsys, self._monkeypatch = home, capsys, monkeypatch

    def __call__(self, *words: str, stdin: bytes = b"") -> Ended:
        self._monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["predict", "tiny", *words, "--home", str(self.home)])
        shown = self._capsys.readouterr()
        return Ended(int(ended.value.code or 0), [json.loads(line) for line in shown.out.splitlines()], shown.err)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, StudyConfig, dict[tuple[str, int], RunRecord]]:
    """A home with a study of two arms and three seeds whose models are all there, the study, and the record of each run."""
    folder = tmp_path_factory.mktemp("study")
    study, card = tiny_study(folder, retention={"checkpoints": "all"}, training={"epochs": 1})
    study_dir = StudyDir(folder / "home", study.name)
    planned = plan_runs(study, card, {})
    records = {spec.digest: train_run(spec, run_dir=study_dir.run_dir(spec.digest)) for spec in planned}
    write_record(study_dir.config_path, study)
    write_record(study_dir.card_path, card)
    write_record(study_dir.summary_path, summarize(StudyResults(study, card, study_dir, records, planned)))
    return folder / "home", study, {(record.spec.arm, record.spec.index): record for record in records.values()}


@pytest.fixture
def command(trained, capsys, monkeypatch) -> Command:
    return Command(trained[0], capsys, monkeypatch)


@pytest.fixture
def copied(trained, tmp_path, capsys, monkeypatch) -> Command:
    """Over a copy of the home, to change."""
    shutil.copytree(trained[0] / "studies", tmp_path / "home" / "studies")
    return Command(tmp_path / "home", capsys, monkeypatch)


@pytest.fixture
def texts(tmp_path) -> str:
    (tmp_path / "new.txt").write_text(TEXTS)
    return str(tmp_path / "new.txt")


def models_of(home: Path, records: dict[tuple[str, int], RunRecord]) -> Callable[[str, int], Path]:
    return lambda arm, index: StudyDir(home, "tiny").run_dir(records[arm, index].digest) / "model"


# Which models


def test_the_best_seed_of_the_best_arm_answers_unless_others_are_asked(trained, command, texts):
    _, study, records = trained
    by_arm = {arm: [records[arm, index] for index in range(3)] for arm in study.arms}
    means = {arm: sum(record.best["validation"]["accuracy"] for record in of) / 3 for arm, of in by_arm.items()}
    arm = max(means, key=lambda name: means[name])
    best = max(by_arm[arm], key=lambda record: (record.best_score, -record.spec.index))
    plain = command("--input", texts)
    assert plain.code == 0
    assert f"arm {arm} (best mean accuracy on validation, {means[arm]:.3f})" in plain.stderr
    assert f"{best.spec.title} (best accuracy on validation, {best.best_score:.3f})" in plain.stderr
    assert command("--input", texts, "--arm", arm, "--seed", str(best.spec.index)).rows == plain.rows
    others = [command("--input", texts, "--arm", arm, "--seed", str(i)).rows for i in range(3)]
    assert sum(rows == plain.rows for rows in others) == 1
    assert [row["line"] for row in plain.rows] == [1, 2]


def test_a_program_gets_the_answers_of_the_command(trained, command, texts):
    home, lines = trained[0], TEXTS.splitlines()
    for words, asked in ((["--ensemble", "--arm", "full"], {"ensemble": True, "arm": "full"}), ([], {})):
        rows, found = command("--input", texts, *words).rows, bertft.predict("tiny", lines, home=home, **asked)
        assert found["text"].tolist() == lines
        assert found["prediction"].tolist() == [row["prediction"] for row in rows]
        assert found["probability"].tolist() == [max(row["probabilities"].values()) for row in rows]
        assert found.filter(like="probability/").to_dict("records") == [
            {f"probability/{label}": share for label, share in row["probabilities"].items()} for row in rows
        ]
    opened = bertft.load_study("tiny", home=home)
    assert bertft.predict(opened, pd.DataFrame({"text": lines})).equals(bertft.predict(opened, pd.Series(lines)))
    assert "best mean accuracy on validation" in found.attrs["models"][0]
    with pytest.raises(bertft.UserError) as caught:
        bertft.predict(opened, [{"txt": "good film"}])
    assert (caught.value.path, caught.value.line) == ("texts", 1)
    with pytest.raises(bertft.UserError, match="no examples"):
        bertft.predict(opened, [])
    for wrong in (None, 3, ("one text", "and another"), [None]):
        with pytest.raises(bertft.UserError) as caught:
            bertft.predict(opened, ["good film", wrong])
        assert (caught.value.code, caught.value.path, caught.value.line) == ("predict.not-an-example", "texts", 2)


def test_the_ensemble_is_of_the_seeds_whose_models_are_there(trained, copied, texts):
    _, _, records = trained
    full = copied("--input", texts, "--arm", "full", "--ensemble")
    assert "full · 3 of 3 seeds together (0, 1, 2)" in full.stderr
    alone = [copied("--input", texts, "--arm", "full", "--seed", str(i)).rows for i in range(3)]
    for row, *own in zip(full.rows, *alone, strict=True):
        for label, probability in row["probabilities"].items():
            assert probability == pytest.approx(sum(of["probabilities"][label] for of in own) / 3, abs=2e-6)
        assert sum(row["votes"].values()) == 3
        assert row["agreement"] == pytest.approx(row["votes"].get(row["prediction"], 0) / 3, abs=1e-6)
    shutil.rmtree(models_of(copied.home, records)("full", 1))
    fewer = copied("--input", texts, "--arm", "full", "--ensemble")
    assert "full · 2 of 3 seeds together (0, 2)" in fewer.stderr
    assert sum(fewer.rows[0]["votes"].values()) == 2
    shutil.rmtree(models_of(copied.home, records)("full", 2))
    lonely = copied("--input", texts, "--arm", "full", "--ensemble")
    assert lonely.code == 2
    assert "set retention.checkpoints: all" in lonely.stderr


def test_a_model_that_was_not_kept_is_named_with_what_to_set(trained, copied, texts):
    _, _, records = trained
    shutil.rmtree(models_of(copied.home, records)("features", 1))
    ended = copied("--input", texts, "--arm", "features", "--seed", "1")
    assert (ended.code, ended.rows) == (2, [])
    assert "the model of features · seed 001 was not kept" in ended.stderr
    assert "features · seed 000, features · seed 002" in ended.stderr
    assert "retention.checkpoints: all" in ended.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--seed", "1", "--ensemble"), "leave one out"),
        (("--arm", "half"), "the arm 'half' is not in this study"),
        (("--arm", "full", "--seed", "7"), "no finished run with seed 7"),
        (("--seed", "x"), "should be a valid integer"),
        (("--format", "xml"), "cannot read this file format"),
    ],
)
def test_what_cannot_be_asked_is_refused(command, texts, words, message):
    ended = command("--input", texts, *words)
    assert (ended.code, ended.rows) == (2, [])
    assert message in ended.stderr


def test_a_study_that_was_not_evaluated_has_no_best_arm_but_every_arm(copied, texts):
    StudyDir(copied.home, "tiny").summary_path.unlink()
    ended = copied("--input", texts)
    assert ended.code == 2
    assert "name one with --arm" in ended.stderr
    assert copied("--input", texts, "--arm", "full").code == 0


def test_a_study_without_finished_runs_has_nothing_to_answer_with(copied, texts):
    for path in (copied.home / "studies" / "tiny" / "runs").glob("*/record.json"):
        path.unlink()
    ended = copied("--input", texts)
    assert ended.code == 2
    assert "has no finished runs" in ended.stderr


def test_an_unknown_study_is_refused(command, texts):
    with pytest.raises(SystemExit) as ended:
        main(["predict", "tny", "--input", texts, "--home", str(command.home)])
    assert ended.value.code == 2


# Where inputs come from and answers go


def test_standard_input_is_json_lines_or_plain_lines_by_its_first_character(command, texts):
    expected = command("--input", texts).rows
    plain = command("--input", "-", stdin=TEXTS.encode())
    assert plain.rows == expected
    lines = [json.dumps({"text": text, "id": i}) for i, text in enumerate(TEXTS.splitlines())]
    as_json = command("--input", "-", stdin=("\ufeff\n" + "\n".join(lines)).encode())
    assert [{**row, "line": i} for i, row in enumerate(expected, start=2)] == [
        {key: value for key, value in row.items() if key != "id"} for row in as_json.rows
    ]
    assert [row["id"] for row in as_json.rows] == [0, 1]
    braces = command("--input", "-", "--format", "text", stdin=b"{ is a brace\n")
    assert len(braces.rows) == 1


def test_what_is_wrong_in_standard_input_is_reported_with_its_line(command):
    ended = command("--input", "-", stdin=b'{"text": "good"}\n{"text": 7}\n')
    assert (ended.code, ended.rows) == (2, [])
    assert "standard input:2: the cell in column 'text' is not a text" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert command("--input", "-", stdin=b"").code == 2


def test_what_is_wrong_in_a_file_is_reported_with_its_line(command, tmp_path):
    (tmp_path / "new.csv").write_text("text\ngood\n \n")
    ended = command("--input", str(tmp_path / "new.csv"))
    assert (ended.code, ended.rows) == (2, [])
    assert f"{tmp_path / 'new.csv'}:3: the text in column 'text' is empty" in ended.stderr


def test_answers_go_to_a_file_whole_or_not_at_all(command, texts, tmp_path):
    expected = command("--input", texts).rows
    target = tmp_path / "answers" / "new.jsonl"
    ended = command("--input", texts, "--output", str(target))
    assert (ended.code, ended.rows) == (0, [])
    assert [json.loads(line) for line in target.read_text().splitlines()] == expected
    assert [path.name for path in target.parent.iterdir()] == ["new.jsonl"]
    refused = command("--input", texts, "--output", str(tmp_path / "new.txt" / "x.jsonl"))
    assert refused.code == 2
    assert "the output of --output cannot be written here" in refused.stderr


def test_inputs_that_were_cut_are_reported(command):
    ended = command("--input", "-", stdin=b"good\n" + b"never " * 90 + b"\n")
    assert "1 of 2 inputs are longer than 48 tokens; they were truncated" in ended.stderr


def test_the_command_needs_neither_prefect_nor_mlflow(trained, texts):
    code = (
        "import sys\nfrom flows.cli.app import main\n"
        "try:\n    main(sys.argv[1:])\nfinally:\n"
        "    print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)\n"
    )
    words = ["predict", "tiny", "--input", texts, "--home", str(trained[0])]
    ended = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert len(ended.stdout.splitlines()) == 2
    loaded = set(ended.stderr.splitlines()[-1].split())
    assert "torch" in loaded
    assert loaded.isdisjoint({"prefect", "mlflow", "datasets", "sklearn"})


@pytest.mark.slow  # of other commands tests/unit/test_output.py shows it
def test_it_ends_quietly_when_nobody_listens(trained, texts):
    piped = f"{sys.executable} -m flows.cli.app predict tiny --input {texts} --home {trained[0]} | true"
    silent = subprocess.run(["bash", "-c", f"set -o pipefail; {piped}"], capture_output=True, text=True)
    assert silent.returncode == 141, "as other programs that a closed pipe ends"
    assert "Error" not in silent.stderr


# Choosing


def test_runs_are_ranked_by_validation_and_arms_by_the_headline(trained):
    home, study, records = trained
    study_dir = StudyDir(home, "tiny")
    planned = [record.spec for record in records.values()]
    by_digest = {record.digest: record for record in records.values()}
    scores = {("full", 0): 0.5, ("full", 1): 0.7, ("full", 2): 0.7, ("features", 0): 0.9}
    changed = {
        record.digest: record.model_copy(update={"best_score": scores.get((record.spec.arm, record.spec.index))})
        for record in by_digest.values()
    }
    ranked = ranked_runs(study, planned, changed)
    assert {arm: [record.spec.index for record in runs] for arm, runs in ranked.items()} == {"full": [1, 2, 0], "features": [0]}
    smallest = study.model_copy(update={"metric": "log_loss"})
    assert [record.spec.index for record in ranked_runs(smallest, planned, changed)["full"]] == [0, 1, 2]
    summary = read_record(study_dir.summary_path, StudySummary)
    assert summary is not None
    means = {  # of the validation set: chosen by its test score, an arm would have none left to believe
        arm.arm: next(row.mean for row in arm.metrics if (row.split, row.checkpoint, row.metric) == CHOOSING)
        for arm in summary.arms
    }
    assert best_arm(study, summary) == max(means.items(), key=lambda item: item[1])
    assert best_arm(smallest, summary) == min(means.items(), key=lambda item: item[1])
    assert best_arm(study, summary.model_copy(update={"arms": ()})) is None
