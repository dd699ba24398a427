"""Questions with contexts and answers in JSON: SQuAD's nested layout, or flat objects as on the Hugging Face hub."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertft_core.config import UserError
from bertft_core.data.cells import is_visible
from bertft_core.data.examples import Row, as_found, shorten
from bertft_core.data.readers.file_content import ONE_LIST
from bertft_core.data.readers.file_options import DEFAULTS, FileOptions
from bertft_core.data.readers.file_text import empty_file, wanted_columns
from bertft_core.data.readers.json_with_lines import ObjectWithLine, load_with_lines

NESTED_COLUMNS = ("id", "question", "context", "answers")
N_CELLS = len(NESTED_COLUMNS)
LAYOUT = '{"data": [{"paragraphs": [{"context": …, "qas": […]}]}]} or a list of flat questions'
FLAG = "is_impossible"

Answers = tuple[tuple[str, int], ...]
"""(text, position of its first character in the context) of each answer; empty for an unanswerable question."""


@dataclass(frozen=True, slots=True)
class _Question:
    fields: ObjectWithLine
    context: Any
    outer: tuple[ObjectWithLine, ...] = ()
    """The paragraph and the article that it is in, in the nested layout."""

    @property
    def nested(self) -> bool:
        return bool(self.outer)

    def further(self, name: str) -> object:
        """A field of the question, else of its paragraph or its article, such as the article's title."""
        return next((item[name] for item in (self.fields, *self.outer) if name in item), None)


def read_squad(
    path: Path, columns: Sequence[str] = NESTED_COLUMNS, labelled: bool = True, *, options: FileOptions = DEFAULTS
) -> Iterator[Row]:
    """Yield (line of the question, (id, question, context, answers)), the answers as `Answers`.

    Where the whole file is one line, the line of a question is its number, and messages name it.

    columns: names of these four in flat objects; the nested layout has its own names. The cells of further columns follow, also
    from the question's paragraph or article, None if they lack it. A question without answers must
    have `is_impossible: true`, except in a flat file that never uses the flag (as the hub's SQuAD 2.0), where an empty
    list is enough. Anything missing, empty, of the wrong type or contradictory is a `UserError` with the question's line.
    Without labels the answers are None, whatever the file has, and a missing id is None.
    """
    key, question, context, answers = wanted_columns(path, columns[:N_CELLS], NESTED_COLUMNS, "questions with their answers")
    questions = list(_questions(load_with_lines(path, options), path, context))
    if not questions:
        raise empty_file(path, LAYOUT)
    _refuse_rows(questions, (question, context, answers), path, options)
    flags_used = any(FLAG in item.fields for item in questions)
    nested = NESTED_COLUMNS if key != question else (NESTED_COLUMNS[1], *NESTED_COLUMNS[1:])  # no id is wanted
    in_one_line = len({item.fields.line for item in questions}) == 1 < len(questions)
    for number, item in enumerate(questions, start=1):
        names = nested if item.nested else (key, question, context, answers)
        fields = item.fields
        if in_one_line:
            fields.line = number
        try:
            cells = _cells(item, names, path, labelled, flag_needed=item.nested or flags_used)
        except UserError as error:
            raise _in_question(error, number, fields.get(names[0])) if in_one_line else error from None
        yield fields.line, (*cells, *map(item.further, columns[N_CELLS:]))


def _refuse_rows(questions: Sequence[_Question], names: Sequence[str], path: Path, options: FileOptions) -> None:
    """A list of objects may be a table of any kind."""
    fields = questions[0].fields
    if questions[0].nested or any(name in fields for name in names):
        return
    raise UserError(
        "the objects of the list are not questions",
        code="squad.no-questions",
        path=path,
        line=fields.line,
        found=f"the keys {shorten(', '.join(fields))}" if fields else "no keys",
        expected=f"the keys {', '.join(names)}, or those of SQuAD",
        hint=options.hint("name their keys in data, if they are questions; else ", "") + ONE_LIST,
    )


def _cells(item: _Question, names: Sequence[str], path: Path, labelled: bool, *, flag_needed: bool) -> tuple[object, ...]:
    fields, line = item.fields, item.fields.line
    checked = _answers(fields, names[3], path, flag_needed=flag_needed) if labelled else None
    texts = (_text(fields.get(names[1]), names[1], path, line), _text(item.context, names[2], path, line))
    named = labelled or fields.get(names[0]) is not None
    return (_id(fields.get(names[0]), names[0], path, line) if named else None, *texts, checked)


def _in_question(error: UserError, number: int, key: object) -> UserError:
    """The same error with the question as its place instead of the only line there is."""
    name = f"question {number}" + (f" ({shorten(str(key), 40)})" if key is not None else "")
    return UserError(**error.fields | {"problem": f"{name}: {error.problem}", "line": None})


def parse_answers(value: object, *, path: str | Path, line: int) -> Answers:
    """Answers as JSON or the hub writes them: [{"text", "answer_start"}, …] or {"text": […], "answer_start": […]}."""
    if isinstance(value, dict):
        texts, starts = value.get("text"), value.get("answer_start")
        if not isinstance(texts, list) or not isinstance(starts, list) or len(texts) != len(starts):
            raise _bad("the answers are not two lists of equal length", path, line, value, '{"text": […], "answer_start": […]}')
        pairs = list(zip(texts, starts, strict=True))
    elif isinstance(value, list) and all(isinstance(answer, dict) for answer in value):
        pairs = [(answer.get("text"), answer.get("answer_start")) for answer in value]
    else:
        raise _bad("the answers are missing or not a list", path, line, value, 'a list of {"text", "answer_start"}')
    for text, start in pairs:
        if not isinstance(text, str) or not text.strip():
            raise _bad("an answer has no text", path, line, text, "a text with at least one visible character")
        if start is None:
            raise _bad(
                f"the answer {shorten(text)!r} has no answer_start", path, line, start, "the position of its first character"
            )
        if not isinstance(start, int) or isinstance(start, bool):
            raise _bad(f"the answer_start of {shorten(text)!r} is not an integer", path, line, start, "an integer")
    return tuple(pairs)


def _answers(fields: ObjectWithLine, name: str, path: Path, *, flag_needed: bool) -> Answers:
    impossible, line = fields.get(FLAG), fields.line
    if FLAG in fields and not isinstance(impossible, bool):
        raise _bad(f"{FLAG} is neither true nor false", path, line, impossible, "true or false")
    value = fields.get(name)
    answers = () if impossible and value is None else parse_answers(value, path=path, line=line)
    if impossible and answers:
        raise _bad(f"the question has answers although {FLAG} is true", path, line, value, "no answers")
    if not impossible and not answers and (flag_needed or impossible is False):
        raise _bad(f"the question has no answer although {FLAG} is not true", path, line, value, f"an answer, or {FLAG}: true")
    return answers


def _questions(value: Any, path: Path, context: str) -> Iterator[_Question]:
    items = value.get("data") if isinstance(value, ObjectWithLine) else value
    line = value.line if isinstance(value, ObjectWithLine) else 1
    for item in _objects(items, "the file has no list of questions", path, line):
        if "paragraphs" not in item:
            yield _Question(item, item.get(context))
            continue
        for paragraph in _objects(item["paragraphs"], "the article's paragraphs are not a list of objects", path, item.line):
            for question in _objects(paragraph.get("qas"), "the paragraph's qas are not a list of objects", path, paragraph.line):
                yield _Question(question, paragraph.get("context"), (paragraph, item))


def _objects(value: Any, problem: str, path: Path, line: int) -> list[ObjectWithLine]:
    if isinstance(value, list) and all(isinstance(item, ObjectWithLine) for item in value):
        return value
    raise _bad(problem, path, line, value, LAYOUT)


def _text(value: object, name: str, path: Path, line: int) -> str:
    if isinstance(value, str) and is_visible(value):
        return value
    missing = "missing or empty" if value is None or isinstance(value, str) else "not a text"
    raise _bad(f"the {name} of the question is {missing}", path, line, value, "a text with at least one visible character")


def _id(value: object, name: str, path: Path, line: int) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _text(value, name, path, line)


def _bad(problem: str, path: str | Path, line: int, found: object, expected: str) -> UserError:
    return UserError(
        problem,
        code="squad.invalid-question",
        path=path,
        line=line,
        found=as_found(found),
        expected=expected,
        hint="correct the question or remove it",
    )
