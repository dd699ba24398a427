"""`bertft recommend` as a person meets it: what it writes, what it keeps, and what it refuses."""

import io
import json
from pathlib import Path

import pytest
import yaml

from bertft_core.config import StudyConfig, UserError, load_study, parse_study
from bertft_core.config.split_designs import Folds
from bertft_core.config.strategy_settings import ClassWeights, FeatureExtraction, Freezing
from bertft_core.config.yaml_text import read_yaml
from bertft_core.recipes.advice import Advice
from bertft_core.recipes.study_yaml import in_encoding, inline, number, values_of
from bertft_core.storage.study_dir import StudyDir, write_record
from bertft_core.training.optimizer import n_warmup_steps
from flows.cli.app import main
from flows.cli.recommend_command import RecommendRequest, recommend_command
from tests.helpers.tiny_encoders import tiny_encoder
from tests.helpers.tiny_studies import write_questions, write_texts


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture
def recommend(tmp_path, monkeypatch, encoder):
    """Runs the command in a folder of its own on the tiny encoder; the study it wrote."""
    monkeypatch.chdir(tmp_path)

    def run(source, *overrides, output="out.yaml", head=None, text=(), label=None, force=False) -> StudyConfig | None:
        asked = RecommendRequest([f"encoder.path={encoder}", *overrides], head, list(text), label, output, force)
        assert recommend_command(str(source), tmp_path / "home", asked) == 0
        return None if output == "-" else load_study(tmp_path / (output or "texts-recommended.yaml"))

    return run


def test_a_data_file_becomes_a_whole_study_with_reasons(tmp_path, recommend, capsys):
    files = write_texts(tmp_path / "texts")
    study = recommend(files["train"], output=None)
    assert (study.name, study.head.kind, study.data.train) == ("texts-recommended", "classification", files["train"])
    assert (study.data.validation, study.data.test) == (files["validation"], files["test"])
    assert list(study.arms) == ["features", "full", "frozen_half"]
    assert study.arms["features"].strategies == (FeatureExtraction(),)
    assert study.arms["frozen_half"].strategies == (Freezing(layers=1),)
    assert (study.training.epochs, study.seeds.n) == (20, 10)
    text = (tmp_path / "texts-recommended.yaml").read_text()
    assert "train: texts/train.jsonl\n" in text, "relative to the file, so that both can be moved"
    assert "# under 500 examples: so few examples need many passes" in text
    assert "  epochs: 20\n" in text
    assert "# Mosbach 2021: Mosbach, Andriushchenko, Klakow" in text
    printed = capsys.readouterr().out
    assert "features, full, frozen_half: 40 optimizer steps, 4 of them warm-up (20 epochs in batches of 16)" in printed
    assert n_warmup_steps(40, 0.1) == 4
    assert "time   about" in printed
    assert "40 optimizer steps are few" in printed
    assert "next   bertft run texts-recommended.yaml" in printed
    assert [line for line in printed.splitlines() if line != line.rstrip()] == []


@pytest.mark.parametrize("output", ["out.yaml", "-"])
def test_for_programs_the_answer_is_one_json_value(output, tmp_path, encoder, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    train = write_texts(tmp_path / "texts")["train"]
    words = ["--set", f"encoder.path={encoder}", "--output", output, "--json", "--home", str(tmp_path / "home")]
    with pytest.raises(SystemExit) as ended:
        main(["recommend", str(train), *words])
    assert ended.value.code == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"study", "path", "choices", "notes", "seconds", "yaml"}
    assert found["path"] == (None if output == "-" else output)
    assert (tmp_path / "out.yaml").exists() is (output != "-")
    if output != "-":
        assert (tmp_path / output).read_text() == found["yaml"]
    assert yaml.safe_load(found["yaml"])["name"] == found["study"] == "texts-recommended"
    reasons = {each["key"]: each["reason"] for each in found["choices"]}
    assert reasons["training.epochs"].startswith("under 500 examples: so few examples need many passes")
    assert found["notes"]
    assert found["seconds"] > 0


def test_every_choice_has_its_reason_beside_or_above_it(tmp_path, recommend):
    recommend(write_texts(tmp_path / "texts")["train"])
    lines = (tmp_path / "out.yaml").read_text().splitlines()
    keys = ("max_length", "learning_rate", "batch_size", "epochs", "warmup_ratio", "weight_decay", "dropout", "strategies", "n")
    for key in keys:
        places = [i for i, line in enumerate(lines) if line.strip().startswith(f"{key}:")]
        assert places, key
        for i in places:
            assert " # " in lines[i] or lines[i - 1].strip().startswith("#"), lines[i]
    assert max(map(len, lines)) <= 130


@pytest.mark.parametrize(
    ("write", "head", "arms"),
    [
        (
            lambda folder: write_questions(folder, True, False)["train"],
            "question_answering",
            ["usual_rate", "full", "frozen_half"],
        ),
        (lambda folder: _tagged(folder), "token_classification", ["usual_rate", "full", "frozen_half"]),
        (lambda folder: _plain(folder), "masked_lm", ["usual_rate", "full", "frozen_half"]),
        (lambda folder: write_texts(folder, label_of=lambda text, good: 4.5 if good else 1)["train"], "regression", None),
        (
            lambda folder: write_texts(folder, label_of=lambda text, good: ["x"] if good else ["x", "y"])["train"],
            "multi_label",
            None,
        ),
        (lambda folder: write_texts(folder, pairs=True)["train"], "classification", None),
    ],
)
def test_every_head_gets_a_study_that_is_valid(tmp_path, recommend, write, head, arms):
    text = ("text", "other") if head == "classification" else ()
    study = recommend(write(tmp_path / "data"), text=text)
    assert study.head.kind == head
    assert list(study.arms) == (arms or ["features", "full", "frozen_half"])
    assert head != "classification" or study.data.text == ("text", "other")


def _tagged(folder: Path) -> Path:
    folder.mkdir()
    (folder / "a.conll").write_text("".join(f"the O\nfilm B-THING\n{i} O\n\nfood B-FOOD\n{i} O\n\n" for i in range(10)))
    return folder / "a.conll"


def _plain(folder: Path) -> Path:
    folder.mkdir()
    (folder / "a.txt").write_text("\n\n".join(f"the film was good and the food number {i} was great" for i in range(30)))
    return folder / "a.txt"


def test_of_a_study_the_data_the_head_the_name_and_how_it_is_run_are_kept(tmp_path, recommend, encoder):
    files = write_texts(tmp_path / "texts")
    values = {
        "name": "mine",
        "description": "My question: which?",
        "seed": 7,
        "data": {
            "source": "files",
            "train": files["train"],
            "split": {"validation_ratio": 0.3},
            "long_texts": "windows",
            "max_length": 20,
        },
        "head": {"kind": "classification", "pooling": "cls"},
        "metric": "mcc",
        "encoder": {"path": str(encoder)},
        "training": {"epochs": 1},
        "arms": {"old": {}},
        "seeds": {"design": {"only": "order"}, "n": 2},
        "execution": {"threads_per_run": 2},
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(values))
    old, new = load_study(tmp_path / "mine.yaml"), recommend("mine.yaml", output="mine-recommended.yaml")
    for section in ("name", "description", "seed", "data", "head", "metric", "encoder", "seeds", "execution"):
        assert getattr(new, section) == getattr(old, section), section
    assert list(new.arms) == ["features", "full", "frozen_half"]
    assert new.training.epochs == 20


def test_set_is_on_top_of_the_advice_and_said_so(tmp_path, recommend):
    files = write_texts(tmp_path / "texts")
    study = recommend(files["train"], "training.epochs=2", "seeds.n=3", "arms.full.search.n_trials=2")
    assert (study.training.epochs, study.seeds.n, study.arms["full"].search.n_trials) == (2, 3, 2)
    text = (tmp_path / "out.yaml").read_text()
    assert "epochs: 2 # set by --set" in text


def test_an_unbalanced_set_gets_an_arm_with_weights_and_another_metric(tmp_path, recommend):
    rows = [f"the film was good number {i},a" for i in range(40)] + [f"the food was bad number {i},b" for i in range(10)]
    (tmp_path / "t.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    study = recommend("t.csv")
    assert study.metric == "f1_macro"
    assert study.arms["weighted"].strategies == (ClassWeights(),)


def few(path: Path) -> Path:
    """Forty examples of four authors in one file."""
    rows = [f"a {'good' if i % 2 else 'bad'} film {i},{'ab'[i % 2]},{'wxyz'[i // 2 % 4]}" for i in range(40)]
    path.write_text("text,label,author\n" + "\n".join(rows) + "\n")
    return path


def test_few_examples_in_one_file_are_cross_validated_without_a_search(tmp_path, recommend, capsys):
    study = recommend(few(tmp_path / "t.csv"))
    assert study.seeds.splits == Folds(folds=5, repeats=2)
    assert (study.seeds.n, study.data.split.test_ratio) == (1, None)
    assert [arm.search for arm in study.arms.values()] == [None] * 3
    assert (study.training.learning_rate, study.arms["features"].learning_rate) == (1e-4, 3e-3)
    text = (tmp_path / "out.yaml").read_text()
    assert "design: {split: {folds: 5, repeats: 2}}" in text
    assert "40 examples and no test set" in text
    printed = capsys.readouterr().out
    assert "3 arms × 10 splits × 1 seed" in printed
    assert "becomes the test set" not in printed
    again = recommend("out.yaml", output="again.yaml")
    assert load_study(tmp_path / "again.yaml").seeds == study.seeds
    assert again is not None


def test_questions_without_answers_can_be_cross_validated(tmp_path, recommend):
    alone = tmp_path / "few.jsonl"
    alone.write_bytes(Path(write_questions(tmp_path / "questions", True, False)["train"]).read_bytes())
    study = recommend(alone)
    assert (study.head.kind, study.seeds.splits) == ("question_answering", Folds(folds=5, repeats=2))


@pytest.mark.parametrize("override", ["data.split.test_ratio=0.2", "arms.full.search.n_trials=2", "data.split.group=author"])
def test_a_test_set_is_cut_where_it_or_a_search_is_asked_for_and_of_fewer_groups_than_folds(tmp_path, recommend, override):
    study = recommend(few(tmp_path / "t.csv"), override)
    assert (study.seeds.design, study.data.split.test_ratio) == ("joint", 0.2)
    assert study.arms["full"].search is not None


def test_to_stdout_goes_the_study_alone(tmp_path, recommend, capsys):
    recommend(write_texts(tmp_path / "texts")["train"], output="-")
    out, err = capsys.readouterr()
    values, _ = read_yaml(out, "stdout")
    assert list(values["arms"]) == ["features", "full", "frozen_half"]
    assert "optimizer steps" in err
    assert list(tmp_path.glob("*.yaml")) == []


@pytest.mark.parametrize("name", ["a\x01b.csv", "a\nb.csv", "a\ufffeb.csv"])
def test_a_study_of_a_file_with_control_characters_in_its_name_can_be_read(tmp_path, recommend, name):
    path = tmp_path / name
    path.write_text("text,label\n" + "".join(f"a good film {i},{'ab'[i % 2]}\n" for i in range(40)))
    assert Path(recommend(path).data.train) == path


def test_a_folder_is_no_bundled_set(tmp_path, recommend):
    with pytest.raises(UserError) as caught:
        recommend(".")
    assert caught.value.code == "file.is-folder"


def test_no_file_is_overwritten_unless_forced(tmp_path, recommend):
    train = write_texts(tmp_path / "texts")["train"]
    (tmp_path / "out.yaml").write_text("mine")
    with pytest.raises(UserError, match="this file already exists"):
        recommend(train)
    assert (tmp_path / "out.yaml").read_text() == "mine"
    assert recommend(train, force=True).name == "texts-recommended"


def test_nothing_is_written_when_the_data_cannot_be_used(tmp_path, recommend):
    (tmp_path / "t.csv").write_text("text,label\n" + "good,a\n" * 5 + "bad,b\n")
    with pytest.raises(UserError, match="too few examples to cut"):
        recommend("t.csv")
    assert not (tmp_path / "out.yaml").exists()


def test_a_study_is_meant_by_its_name_too(tmp_path, recommend, capsys):
    """A ready study's, one in the home's; where data have the same name, they are meant."""
    asked = recommend("debug/reviews")
    assert asked.name == "debug-reviews"
    assert asked.data.name == "reviews"
    stored = StudyDir(tmp_path / "home", "mine")
    write_record(stored.config_path, load_study("debug/reviews", ["name=mine", "seed=5"]))
    assert (recommend("mine", force=True).name, recommend("mine", force=True).seed) == ("mine", 5)
    assert recommend("topics", force=True).data.name == "topics"


@pytest.mark.parametrize(
    ("source", "how", "problem"),
    [
        ("topicz", {}, "there is no bundled data set 'topicz'"),
        ("gone.csv", {}, "file not found"),
        ("https://example.org/train.csv", {}, "addresses are not read"),
        ("mine.yaml", {"head": "regression"}, "a study config already names its head and columns"),
        ("topics", {"output": "nowhere/x.yaml"}, "there is no such folder"),
        ("topics", {"text": ["a", "b", "c"]}, "--text takes one column, or two"),
    ],
)
def test_mistakes_are_reported(tmp_path, recommend, source, how, problem):
    (tmp_path / "mine.yaml").write_text("name: mine\ndata: {source: bundled, name: topics}\narms: {full: {}}\n")
    with pytest.raises(UserError, match=problem):
        recommend(source, **how)


VALUES = [1e-5, 0.0005, 3e-4, 0.1, 0.25, 20.0, 1.5, 0.00123, 1, True, None, "a: b", "yes", "3", "", "a b", ["x", 2]]
BEYOND_ASCII = ["café", "русский", "😀 x", "a\x85b", "a\u2028b", "c:\\é", 'say "é"', ["é", "x"]]


@pytest.mark.parametrize("value", BEYOND_ASCII)
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_a_terminal_without_a_character_gets_its_escape(value, encoding):
    text = in_encoding(f"key: {inline(value)}\n{inline('ключ')}: 1\n", encoding)
    assert text.encode(encoding)
    assert read_yaml(text, "x")[0] == {"key": value, "ключ": 1}


def test_the_study_on_a_poor_terminal_is_the_study_of_the_file(tmp_path, recommend, monkeypatch):
    labels = ("плохо", "gut 😀")
    path = write_texts(tmp_path / "données", label_of=lambda text, good: labels[good])["train"]
    written = recommend(path, "data.labels=[плохо, gut 😀]")
    shown = io.TextIOWrapper(io.BytesIO(), "ascii", "replace")
    monkeypatch.setattr("sys.stdout", shown)
    recommend(path, "data.labels=[плохо, gut 😀]", output="-")
    shown.seek(0)
    assert parse_study(yaml.safe_load(shown.read()), base_dir=tmp_path) == written


@pytest.mark.parametrize("value", [*VALUES, *BEYOND_ASCII])
def test_a_written_value_reads_back(value):
    read, _ = read_yaml(f"key: {inline(value)}", "x")
    assert read["key"] == value
    assert type(read["key"]) is type(value) or isinstance(value, float)


def test_rates_are_written_as_people_write_them():
    assert [number(value) for value in (0.0005, 1e-5, 0.1, 20.0, 0.00123)] == ["5e-4", "1e-5", "0.1", "20", "0.00123"]


def test_a_checkpoint_whose_place_a_folder_has_taken_is_not_written():
    values = {"name": "mine", "data": {"source": "bundled", "name": "reviews"}, "arms": {"full": {}}}
    study = parse_study(values | {"encoder": {"checkpoint": "a/b", "revision": "main"}}, ["encoder.path=/enc"])
    assert values_of(study, Advice(choices=(), notes=()))["encoder"] == {"path": "/enc"}
