"""Files as they are published: `recommend` writes a study that `check-data` accepts, and refusals of short configs lead there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from bertft_core.config import UserError, load_study
from flows.cli.recommend_command import RecommendRequest, recommend_command
from flows.cli.show_commands import check_data_command
from tests.helpers.tiny_encoders import tiny_encoder

N = 40
MOST_HINTS = 4


def _rows(line) -> str:
    return "".join(line(i, f"the film was {'good' if i % 2 else 'bad'} and number {i}", i % 2) for i in range(N))


def _json(**cells) -> str:
    return json.dumps(cells) + "\n"


AG_NEWS = _rows(lambda i, text, kind: f'"{kind + 1}","A title {i}","{text}, says Reuters"\n')
LATIN = "text\tlabel\n" + _rows(lambda i, text, kind: f"café {text}\t{kind}\n")
COLA = _rows(lambda i, text, kind: f"gj{i % 3:02d}\t{kind}\t{'' if kind else '*'}\t{text}.\n")
SMS = _rows(lambda i, text, kind: f'{("ham", "spam")[kind]}\t{text} "ok\n')
RATINGS = "review,rating\n" + "".join(f"a film that is number {i},{1 + i // 10}\n" for i in range(N)) + "the last,4.5\n" * 2
JIGSAW = "id,comment_text,toxic,insult,threat\n" + _rows(
    lambda i, text, kind: f'{i:04x},"{text}, yes",{kind},{int(i % 3 == 0)},{int(i % 4 == 0)}\n'
)
ONE_OF_THREE = "text,good,bad,odd\n" + _rows(
    lambda i, text, kind: f"{text},{int(i % 3 == 0)},{int(i % 3 == 1)},{int(i % 3 == 2)}\n"
)
CONLL = "-DOCSTART- -X- -X- O\n\n" + _rows(lambda i, text, kind: f"EU NNP B-NP B-ORG\nsays VBZ B-VP O\nn{i} NN B-NP O\n\n")
SNLI = _rows(
    lambda i, text, kind: _json(
        annotator_labels=["x"], gold_label="ab"[kind], pairID=f"{i}", sentence1=text, sentence1_parse="( x )", sentence2="films"
    )
)
IMDB = "review,sentiment\n" + _rows(lambda i, text, kind: f'"{text}<br /> ""so"", yes",{("negative", "positive")[kind]}\n')
SEMICOLONS = "text;label\n" + _rows(lambda i, text, kind: f"{text}, yes;{kind}\n")
QUOTED = "text\tlabel\n" + _rows(lambda i, text, kind: f'"{text} ""so"" yes"\t{kind}\n')
FLOATS = _rows(lambda i, text, kind: _json(text=text, label=float(kind)))
TAGGED = _rows(lambda i, text, kind: _json(tokens=["Ann", f"n{i}"], ner_tags=["B-PER", "O"]))
QUESTIONS = _rows(
    lambda i, text, kind: _json(
        id=f"q{i}", question="Who?", context=f"Ann {i} sat.", answers={"text": ["Ann"], "answer_start": [0]}
    )
)
PROSE = _rows(lambda i, text, kind: f"{text}, it is.\n")

NO_HEADER = {"header": False, "columns": ["label", "text"]}
PUBLISHED = {
    "ag_news.csv": (AG_NEWS, "classification", {"header": False, "columns": ["label", "column_2", "text"]}),
    "latin.tsv": (LATIN.encode("latin-1"), "classification", {"encoding": "cp1252"}),
    "wide.csv": (LATIN.replace("\t", ",").encode("utf-16"), "classification", {"encoding": "utf-16"}),
    "cola.tsv": (COLA, "classification", {"header": False, "columns": ["column_1", "label", "column_3", "text"]}),
    "SMSSpamCollection.txt": (SMS, "classification", {"format": "tsv", **NO_HEADER}),
    "ratings.csv": (RATINGS, "regression", {"text": "review", "label": "rating"}),
    "jigsaw.csv": (JIGSAW, "multi_label", {"text": "comment_text", "label": ["toxic", "insult", "threat"]}),
    "one_of_three.csv": (ONE_OF_THREE, "classification", {"label": ["good", "bad", "odd"]}),
    "eng.train.txt": (CONLL, "token_classification", {"format": "conll"}),
    "snli.jsonl": (SNLI, "classification", {"text": ["sentence1", "sentence2"], "label": "gold_label"}),
    "imdb.csv": (IMDB, "classification", {"text": "review", "label": "sentiment"}),
    "european.csv": (SEMICOLONS, "classification", {"delimiter": ";"}),
    "quoted.tsv": (QUOTED, "classification", {"quoting": "double"}),
    "floats.jsonl": (FLOATS, "classification", {}),
    "lines.json": (FLOATS, "classification", {"format": "jsonl"}),
    "tagged.jsonl": (TAGGED, "token_classification", {"tags": "ner_tags"}),
    "questions.jsonl": (QUESTIONS, "question_answering", {}),
    "prose.txt": (PROSE, "masked_lm", {"text_unit": "line"}),
}  # fmt: skip
"""File → its content, its head, and the keys of `data` that it needs."""


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(params=PUBLISHED)
def published(request, tmp_path, monkeypatch) -> str:
    content, _, _ = PUBLISHED[request.param]
    path = tmp_path / request.param
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    monkeypatch.chdir(tmp_path)
    return request.param


def test_recommend_writes_what_the_file_needs_and_check_data_accepts_it(published, tmp_path, encoder, capsys):
    _, head, keys = PUBLISHED[published]
    asked = RecommendRequest([f"encoder.path={encoder}"], None, [], None, "out.yaml", False)
    assert recommend_command(published, tmp_path / "home", asked) == 0
    shown = capsys.readouterr().out
    study = load_study(tmp_path / "out.yaml")
    assert study.head.kind == head
    written = yaml.safe_load((tmp_path / "out.yaml").read_text())["data"]
    assert {key: written.get(key, getattr(study.data, key)) for key in keys} == keys
    assert check_data_command(tmp_path / "out.yaml", [], tmp_path / "home") == 0
    _, findings = capsys.readouterr().out.split("\nfindings: ")
    assert f"\nfindings: {findings.rstrip()}\n" in shown, "both say the same about the data"


def test_the_hints_of_refusals_applied_literally_lead_to_a_study(published, tmp_path, encoder):
    _, head, _ = PUBLISHED[published]
    values = {"name": "short", "data": {"source": "files", "train": published}, "head": head, "encoder": {"path": str(encoder)}}
    data = values["data"] | {"split": {"validation_ratio": 0.3}, "max_length": 48}
    refused: list[str] = []
    while len(refused) <= MOST_HINTS:
        (tmp_path / "s.yaml").write_text(yaml.safe_dump(values | {"data": data, "arms": {"full": {}}}))
        hint = _hint_of(tmp_path / "s.yaml", tmp_path / "home")
        if hint is None:
            return
        refused.append(hint)
        data |= _keys_in(hint)
    pytest.fail(f"still refused: {refused}")


def _hint_of(config: Path, home: Path) -> str | None:
    """The hint of the refusal; None for a study whose data can be prepared."""
    try:
        check_data_command(config, [], home)
    except UserError as error:
        return error.hint
    return None


def _keys_in(hint: str) -> dict[str, object]:
    found = dict(re.findall(r"data\.(\w+): (\[[^]]*\]|'[^']*'|[\w ]+?)(?= and |,|;|$)", hint))
    found |= dict(re.findall(r"data\.(encoding), likely ([\w-]+)", hint))
    return {key: yaml.safe_load(value) for key, value in found.items()}


@pytest.mark.parametrize("cells", [(0.0, 1.0), (0, 1), (0, 1.0)])
def test_whole_floats_mean_the_same_to_recommend_and_to_the_reader(tmp_path, monkeypatch, encoder, cells, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jsonl").write_text(_rows(lambda i, text, kind: _json(text=text, label=cells[kind])))
    asked = RecommendRequest([f"encoder.path={encoder}"], None, [], None, "out.yaml", False)
    assert recommend_command("a.jsonl", tmp_path / "home", asked) == 0
    assert "'label' has 2 different whole numbers" in capsys.readouterr().out
    assert check_data_command(tmp_path / "out.yaml", [], tmp_path / "home") == 0
    assert "labels       0, 1\n" in capsys.readouterr().out


def test_columns_without_usual_names_are_suggested_by_what_they_hold(tmp_path, monkeypatch, encoder):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spam.csv").write_text("v1,v2,,\n" + _rows(lambda i, text, kind: f"{('ham', 'spam')[kind]},{text},,\n"))
    asked = RecommendRequest([f"encoder.path={encoder}"], None, [], None, "out.yaml", False)
    with pytest.raises(UserError) as caught:
        recommend_command("spam.csv", tmp_path / "home", asked)
    assert caught.value.hint.endswith("perhaps --text v2 --label v1")
    assert recommend_command("spam.csv", tmp_path / "home", asked._replace(text=["v2"], label="v1")) == 0
    assert load_study(tmp_path / "out.yaml").head.kind == "classification"


@pytest.mark.parametrize(
    ("name", "content", "code", "words"),
    [
        ("list.jsonl", json.dumps([{"text": "a", "label": "b"}]), "jsonl.not-an-object", "one JSON list"),
        ("list.json", json.dumps([{"text": "a", "label": "b"}]), "squad.no-questions", "one JSON list"),
        ("list.txt", json.dumps([{"text": "a", "label": "b"}], indent=1), "squad.no-questions", "one JSON list"),
        ("page.csv", "<!DOCTYPE html>\n<html>\n", "recommend.foreign-content", "download the file itself"),
        ("page.txt", "\n<html>\n", "recommend.foreign-content", "download the file itself"),
        ("pointer.csv", "version https://git-lfs.github.com/spec/v1\noid\n", "recommend.foreign-content", "git lfs pull"),
        ("book.csv", b"PK\x03\x04\x14\x00", "recommend.foreign-content", "saved as CSV"),
        ("cut.parquet", b"PAR1 and no more", "parquet.unreadable", "copy or write it again"),
        ("book.parquet", b"PK\x03\x04\x14\x00", "parquet.unreadable", "unpack it"),
        ("none.jsonl", "", "file.empty", "add content"),
    ],
)
def test_recommend_names_what_is_no_file_of_examples(tmp_path, name, content, code, words):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError) as caught:
        recommend_command(str(tmp_path / name), tmp_path / "home", RecommendRequest([], None, [], None, None, False))
    assert caught.value.code == code
    assert words in caught.value.hint
