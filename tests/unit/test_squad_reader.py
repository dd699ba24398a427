"""SQuAD JSON in both layouts becomes questions with their lines, and every malformed question is refused by its line."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from bertft_core.config import UserError
from bertft_core.data.readers import reader_of
from bertft_core.data.readers.json_with_lines import ObjectWithLine, load_with_lines
from bertft_core.data.readers.squad import NESTED_COLUMNS, parse_answers

CONTEXT = "The Normans lived in Normandy, in France."
ANSWER = {"text": "France", "answer_start": 34}
BAD_ANSWERS = [
    (None, "missing or not a list"),
    ("France", "missing or not a list"),
    (["France"], "missing or not a list"),
    ([{"answer_start": 34}], "has no text"),
    ([{"text": " ", "answer_start": 34}], "has no text"),
    ([{"text": 5, "answer_start": 34}], "has no text"),
    ([ANSWER, {"text": "France"}], "'France' has no answer_start"),
    ([{"text": "France", "answer_start": "34"}], "not an integer"),
    ([{"text": "France", "answer_start": 34.0}], "not an integer"),
    ([{"text": "France", "answer_start": True}], "not an integer"),
    ({"text": ["France"]}, "not two lists"),
    ({"text": ["France"], "answer_start": [34, 35]}, "not two lists"),
    ({"text": "France", "answer_start": 34}, "not two lists"),
    ({"text": ["France"], "answer_start": [None]}, "has no answer_start"),
]


def question(name: str = "q1", **more) -> dict:
    return {"id": name, "question": "Where is Normandy?", "answers": [ANSWER]} | more


def flat(name: str = "q1", **more) -> dict:
    return question(name, context=CONTEXT) | more


def nested(*questions: dict, **more) -> dict:
    return {"version": "1.1", "data": [{"title": "t", "paragraphs": [{"context": CONTEXT, "qas": list(questions)} | more]}]}


def without(fields: dict, *names: str) -> dict:
    return {name: value for name, value in fields.items() if name not in names}


def write(folder: Path, value: object, indent: int | None = 1) -> Path:
    path = folder / "train.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value, indent=indent), encoding="utf-8")
    return path


def read(path: Path, columns=NESTED_COLUMNS) -> list:
    return list(reader_of(path)(path, columns))


def refused(path: Path) -> UserError:
    with pytest.raises(UserError) as caught:
        read(path)
    error = caught.value
    assert error.path == str(path)
    assert error.expected
    assert error.hint
    return error


def line_of_question(path: Path, name: str) -> int:
    """The line before the id, where `json.dumps` opens the object."""
    lines = path.read_text(encoding="utf-8").split("\n")
    return next(number for number, line in enumerate(lines) if f'"id": "{name}"' in line)


@pytest.mark.parametrize("answers", [[ANSWER], {"text": ["France"], "answer_start": [34]}], ids=["objects", "lists"])
@pytest.mark.parametrize("layout", ["nested", "flat", "flat under data"])
def test_every_layout_gives_the_same_questions_with_their_lines(tmp_path, layout, answers):
    made = {
        "nested": nested(question("q1", answers=answers), question("q2", answers=answers)),
        "flat": [flat("q1", answers=answers), flat("q2", answers=answers)],
        "flat under data": {"data": [flat("q1", answers=answers), flat("q2", answers=answers)]},
    }
    path = write(tmp_path, made[layout])
    cells = ("Where is Normandy?", CONTEXT, (("France", 34),))
    assert read(path) == [(line_of_question(path, name), (name, *cells)) for name in ("q1", "q2")]


def test_questions_in_one_line_are_numbered_and_the_context_stays_as_written(tmp_path):
    context = 'é 😀\n{"id": "q2"} \\ \u2028'
    path = write(tmp_path, "\n\n" + json.dumps([flat(context=context), flat("q2")], ensure_ascii=False))
    assert [(line, cells[2]) for line, cells in read(path)] == [(1, context), (2, CONTEXT)]


@pytest.mark.parametrize("layout", [lambda *questions: list(questions), nested])
def test_a_refusal_in_one_line_names_the_question_instead_of_the_line(tmp_path, layout):
    error = refused(write(tmp_path, layout(flat("q1"), flat("q2", question=" ")), indent=None))
    assert (error.problem, error.line) == ("question 2 (q2): the question of the question is missing or empty", None)
    assert error.code == "squad.invalid-question"


@pytest.mark.parametrize("content", ["", " \n\t\n", "\ufeff"])
def test_an_empty_file_is_called_empty(tmp_path, content):
    error = refused(write(tmp_path, content))
    assert (error.problem, error.line, error.code) == ("the file is empty", 1, "file.empty")


def test_flat_objects_may_have_other_names(tmp_path):
    path = write(tmp_path, [{"qid": 7, "q": "Where?", "text": CONTEXT, "gold": [ANSWER]}])
    assert read(path, ("qid", "q", "text", "gold"))[0][1] == ("7", "Where?", CONTEXT, (("France", 34),))


def test_flat_objects_in_jsonl_are_read_by_their_columns(tmp_path):
    path = tmp_path / "train.jsonl"
    hub = {"text": ["France"], "answer_start": [34]}
    path.write_text("\n".join(json.dumps(flat(f"q{i}", answers=answers)) for i, answers in enumerate([[ANSWER], hub])))
    rows = list(reader_of(path)(path, NESTED_COLUMNS))
    assert [parse_answers(cells[3], path=path, line=line) for line, cells in rows] == [(("France", 34),)] * 2


@pytest.mark.parametrize("empty", [[], {"text": [], "answer_start": []}, None])
def test_an_impossible_question_has_no_answers(tmp_path, empty):
    path = write(tmp_path, nested(question("q1", answers=empty, is_impossible=True), question("q2", is_impossible=False)))
    assert [cells[3] for _, cells in read(path)] == [(), (("France", 34),)]


def test_an_empty_list_says_impossible_only_in_flat_files_that_never_use_the_flag(tmp_path):
    assert read(write(tmp_path, [flat(answers=[]), flat("q2")]))[0][1][3] == ()
    mixed = write(tmp_path, [flat(answers=[]), flat("q2", is_impossible=False)])
    assert "no answer although" in refused(mixed).problem
    path = write(tmp_path, nested(question(), question("q2", answers=[])))
    error = refused(path)
    assert "no answer although" in error.problem
    assert error.line == line_of_question(path, "q2")


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (without(question("q2"), "question"), "question of the question is missing"),
        (question("q2", question=" "), "question of the question is missing or empty"),
        (question("q2", question=5), "question of the question is not a text"),
        (without(question("q2"), "answers"), "missing or not a list"),
        (question("q2", is_impossible=True), "answers although is_impossible is true"),
        (question("q2", is_impossible=False, answers=[]), "no answer although"),
        (question("q2", is_impossible="no"), "neither true nor false"),
        (question("q2", is_impossible=None), "neither true nor false"),
        *((question("q2", answers=answers), problem) for answers, problem in BAD_ANSWERS),
    ],
)
@pytest.mark.parametrize("layout", ["nested", "flat"])
def test_a_malformed_question_is_refused_with_its_line(tmp_path, layout, bad, problem):
    made = nested(question(), bad) if layout == "nested" else [flat(), {"id": "q2", "context": CONTEXT} | bad]
    path = write(tmp_path, made)
    error = refused(path)
    assert problem in error.problem
    assert error.line == line_of_question(path, "q2")
    assert error.found


@pytest.mark.parametrize("name", ["", " ", None, True, 1.5, ["q"]])
def test_a_question_without_a_usable_id_is_refused(tmp_path, name):
    error = refused(write(tmp_path, f"[{json.dumps(flat())},\n\n{json.dumps(flat(id=name))}]"))
    assert "id of the question" in error.problem
    assert error.line == 3


@pytest.mark.parametrize("context", [None, "", " \n", 3])
@pytest.mark.parametrize("layout", ["nested", "flat"])
def test_a_missing_context_is_refused_with_the_question_s_line(tmp_path, layout, context):
    made = nested(question(), context=context) if layout == "nested" else [flat(context=context)]
    path = write(tmp_path, made)
    error = refused(path)
    assert "context of the question" in error.problem
    assert error.line == line_of_question(path, "q1")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{\n"version": "1.1"}', 1),
        ("\n5", 1),
        ('{"data":\n["x"]}', 1),
        ('{"data": [\n{"paragraphs": {}}]}', 2),
        ('{"data": [\n{"paragraphs": [\n{"context": "x"}]}]}', 3),
        ('{"data": [\n{"paragraphs": [\n{"context": "x",\n"qas": [5]}]}]}', 3),
    ],
)
def test_another_layout_is_refused_at_the_object_that_has_it(tmp_path, text, line):
    error = refused(write(tmp_path, text))
    assert "list" in error.problem
    assert error.line == line


@pytest.mark.parametrize("text", ["[]", '{"data": []}', '{"data": [{"paragraphs": []}]}'])
def test_a_file_without_questions_is_refused(tmp_path, text):
    assert "empty" in refused(write(tmp_path, text)).problem


@pytest.mark.parametrize(
    ("text", "line"), [("[\n{},\n{]", 3), ('[{"id": "a\nb"}]', 1), ('[{}, {"a": {}}\n', 2), ('{"a": "}{"}\n{"a": 1}', 2)]
)
def test_text_that_is_no_json_is_refused_with_its_line(tmp_path, text, line):
    error = refused(write(tmp_path, text))
    assert "JSON" in error.problem
    assert error.line == line


def written_at(line: int, rng: random.Random, depth: int) -> str:
    """Some JSON that starts in this line, with random line ends; every object says in which line it opens."""
    parts, opening, closing = [], *rng.choice(["{}", "[]"])
    if depth == 0 or rng.random() < 0.2:
        return rng.choice([json.dumps(text) for text in ("{", "}", '"', "\\", '\\"{', "\n")] + ["3", "null", "[]"])
    if opening == "{":
        parts.append(f'"line": {line}')
    text = opening
    for number in range(rng.randint(0, 4)):
        key = json.dumps(rng.choice(["{", '"', "}", "\\"]) + str(number)) + ": " if opening == "{" else ""
        before = text + ",".join(parts) + ", " * bool(parts)
        space = rng.choice(["", "\n", "\n\n"])
        parts.append(space + key + written_at(line + (before + space).count("\n"), rng, depth - 1))
    return text + ",".join(parts) + rng.choice(["", "\n"]) + closing


def objects_in(value: object) -> list[ObjectWithLine]:
    """The objects inside, the value itself included."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [value] * isinstance(value, ObjectWithLine) + [found for item in inner for found in objects_in(item)]


def test_every_object_of_any_json_knows_its_line(tmp_path):
    n_objects = 0
    for seed in range(100):
        text = written_at(1, random.Random(seed), depth=5)
        value = load_with_lines(write(tmp_path, text))
        assert value == json.loads(text)
        assert [found.line for found in objects_in(value)] == [found["line"] for found in objects_in(value)]
        n_objects += len(objects_in(value))
    assert n_objects > 500


def test_questions_named_by_their_place_need_no_id_in_either_layout(tmp_path):
    columns = ("question", *NESTED_COLUMNS[1:])  # as with `data.id: null`
    for number, value in enumerate([nested(without(question(), "id")), [without(flat(), "id")]]):
        folder = tmp_path / str(number)
        folder.mkdir()
        ((_, cells),) = read(write(folder, value), columns)
        assert cells[1] == question()["question"]


@pytest.mark.parametrize(("text", "found"), [("[" * 100_000, "nested too deeply"), ("[" + "1" * 5000 + "]", "4300 digits")])
def test_json_that_python_does_not_take_is_refused_too(tmp_path, text, found):
    path = tmp_path / "t.json"
    path.write_text(text)
    with pytest.raises(UserError, match="invalid JSON") as caught:
        load_with_lines(path)
    assert found in str(caught.value)
