"""From a data file to the `data` and `head` sections of a study: the format, the columns and the cells tell the task."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bertft_core.config import UserError
from bertft_core.config.head_settings import HEAD_CONFIGS
from bertft_core.data.readers import READERS, format_of
from bertft_core.data.readers.file_text import lines_of, no_file
from bertft_core.data.sources import HEAD_OF_FORMAT
from bertft_core.metrics import tag_schemes
from bertft_core.recipes import column_names
from bertft_core.recipes.label_kinds import kind_of_labels

Given = Mapping[str, Any]
"""Keys of `data` that the user named, such as text and label."""


class Guess(NamedTuple):
    """What a file holds."""

    head: str
    data: dict[str, Any]
    """Keys of the study's data section that say how the file is read."""
    told: tuple[str, ...]
    """What was concluded from what, in sentences for the user."""


def guess(path: Path, given: Given, head: str | None = None) -> Guess:
    """Head and columns of a file. Raises `UserError` for a head that does not exist or fit, and for what cannot be guessed."""
    if head is not None and head not in HEAD_CONFIGS:
        raise UserError("there is no such head", path="--head", found=head, expected=f"one of {', '.join(HEAD_CONFIGS)}")
    if not path.is_file():
        raise no_file(path, "a study (.yaml), a data file or the name of a bundled set", "check it")
    file_format = given.get("format") or format_of(path)
    meant = HEAD_OF_FORMAT.get(file_format)
    if meant is None:
        return _of_table(path, file_format, given, head)
    if head not in (None, meant):
        raise UserError(
            f"this format is read by the head '{meant}' only", path=path, found=f"--head {head}", hint="take --head out"
        )
    told = (f"head {meant}: that is what a file in the format '{file_format}' holds",)
    if meant == "masked_lm":
        return _of_text(path, given, told)
    if meant == "token_classification":
        return _with_scheme(path, file_format, (given.get("tokens", "tokens"), given.get("tags", "tags")), given, told)
    return Guess(meant, dict(given), told)


def _of_table(path: Path, file_format: str, given: Given, head: str | None) -> Guess:
    names = column_names.column_names(path, file_format)
    _check_given(path, names, given)
    tokens = column_names.find_first(column_names.TOKENS, names, given, "tokens")
    tags = column_names.find_first(column_names.TAGS, names, given, "tags")
    is_question = set(column_names.QUESTION) <= set(names) or {"question", "context", "answers"} <= given.keys()
    chosen = head or ("question_answering" if is_question else "token_classification" if tokens and tags else None)
    if chosen == "question_answering":
        return _of_questions(path, names, given, told=head is None)
    if chosen == "token_classification":
        if tokens is None or tags is None:
            raise _unknown(path, names, "words and tags", "--set data.tokens=COLUMN --set data.tags=COLUMN")
        told = (f"head token_classification: words in '{tokens}', tags in '{tags}'",)
        return _with_scheme(path, file_format, (tokens, tags), dict(given) | {"tokens": tokens, "tags": tags}, told)
    return _of_texts(path, file_format, names, given, chosen)


def _of_questions(path: Path, names: Sequence[str], given: Given, *, told: bool) -> Guess:
    found = {key: given.get(key, key) for key in column_names.QUESTION}
    for key, name in found.items():
        if name not in names:
            raise _unknown(path, names, f"the {key} of each question", f"--set data.{key}=COLUMN")
    data = dict(given) | {key: name for key, name in found.items() if name != key}
    if "id" not in names and "id" not in given:
        data["id"] = None
    words = ", ".join(f"'{name}'" for name in found.values())
    return Guess("question_answering", data, (f"head question_answering: the columns {words} are there",) if told else ())


def _of_texts(path: Path, file_format: str, names: Sequence[str], given: Given, head: str | None) -> Guess:
    text, label = column_names.find_text(names, given), column_names.find_label(names, given)
    others = [name for name in names if name not in column_names.IDS and name != text and name != label]
    if text is None and label is not None and len(others) == 1:
        (text,) = others
    if text is None:
        raise _unknown(path, names, "the text", "--text COLUMN (twice for a pair of texts)")
    what = f"text in '{text}'" if isinstance(text, str) else f"a pair of texts in '{text[0]}' and '{text[1]}'"
    data = dict(given) | {"text": text if isinstance(text, str) else list(text)}
    if head == "masked_lm" or (head is None and label is None and not others):
        return Guess("masked_lm", data, (f"head masked_lm: {what}, and no labels",))
    if label is None:
        raise _unknown(path, names, "the label", "--label COLUMN, or --head masked_lm to learn from the texts alone")
    labels = kind_of_labels(path, column_names.cells_of(path, file_format, label), label, head)
    return Guess(labels.head, data | {"label": label} | labels.data, (what, *labels.told))


def _check_given(path: Path, names: Sequence[str], given: Given) -> None:
    for key in ("text", "label", "tokens", "tags", *column_names.QUESTION):
        wanted = given.get(key, ())
        for name in (wanted,) if isinstance(wanted, str) else wanted:
            if name not in names:
                option = f"--{key}" if key in ("text", "label") else f"--set data.{key}"
                raise UserError(f"there is no column '{name}'", path=path, found=", ".join(names), hint=f"correct {option}")


def _unknown(path: Path, names: Sequence[str], what: str, option: str) -> UserError:
    return UserError(
        f"no column has a usual name for {what}", path=path, found=f"the columns {', '.join(names)}", hint=f"name it: {option}"
    )


def _of_text(path: Path, given: Given, told: tuple[str, ...]) -> Guess:
    """One text per line where no blank line separates paragraphs."""
    lines = lines_of(path)
    while lines and not lines[-1].strip():
        lines.pop()
    unit = given.get("text_unit") or ("paragraph" if any(not line.strip() for line in lines) else "line")
    why = "blank lines separate them" if unit == "paragraph" else "no blank line separates paragraphs"
    told = told if "text_unit" in given else (*told, f"an example is a {unit}: {why}")
    return Guess("masked_lm", dict(given) | ({"text_unit": unit} if unit != "paragraph" else {}), told)


def _with_scheme(path: Path, file_format: str, cells: tuple[str, str], data: Given, told: tuple[str, ...]) -> Guess:
    """How the tags mark entities, unless the user said it."""
    if "scheme" in data:
        return Guess("token_classification", dict(data), told)
    rows = itertools.islice(READERS[file_format](path, cells), column_names.N_READ)
    sentences = [_list(row[1]) for _, row in rows]
    scheme, why = scheme_of_sentences(sentences)
    extra = {} if scheme == "iob2" else {"scheme": scheme}
    return Guess("token_classification", dict(data) | extra, (*told, f"tag scheme {scheme}: {why}"))


def _list(cell: Any) -> list[str]:
    return [str(tag) for tag in (cell.split() if isinstance(cell, str) else cell)]


def scheme_of_sentences(sentences: Sequence[Sequence[str]]) -> tuple[str, str]:
    """The scheme of the tags and how it was told. IOB1 and IOB2 differ in how an entity after O begins: with I- or with B-."""
    tags = {tag for sentence in sentences for tag in sentence}
    scheme = tag_schemes.scheme_of(sorted(tags))
    if scheme == "plain":
        return "plain", "the tags mark no entities"
    if scheme != "iob2":
        return scheme, f"its letters are {', '.join(sorted({tag[0] for tag in tags}))}"
    begun = [tag[0] for sentence in sentences for before, tag in itertools.pairwise(["O", *sentence]) if before == "O" != tag]
    n_inside = begun.count("I")
    if 2 * n_inside > len(begun):
        return "iob1", f"{n_inside} of {len(begun)} entities after O begin with I-"
    return "iob2", f"{len(begun) - n_inside} of {len(begun)} entities after O begin with B-"
