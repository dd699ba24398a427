"""From a data file to the `data` and `head` sections of a study, by its format, its columns and their cells."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bertft_core.config import UserError
from bertft_core.config.errors import did_you_mean
from bertft_core.config.head_settings import HEAD_CONFIGS
from bertft_core.data.readers import READERS, format_of
from bertft_core.data.readers.file_text import lines_of, no_file
from bertft_core.data.sources import HEAD_OF_FORMAT
from bertft_core.metrics import tag_schemes
from bertft_core.recipes import data_files
from bertft_core.recipes.label_kinds import kind_of_labels
from bertft_core.recipes.reasons import Reason, because

Given = Mapping[str, Any]
"""Keys of `data` that the user gave, such as text and label."""


class TaskGuess(NamedTuple):
    """The task that a file is for."""

    head: str
    data: dict[str, Any]
    """Keys of the study's data section that say how the file is read."""
    conclusions: tuple[Reason, ...] = ()
    """What was concluded from what."""


def guess(path: Path, given: Given, head: str | None = None) -> TaskGuess:
    """Head and columns of a file. Raises `UserError` for a head that does not exist or fit, and when nothing can be guessed."""
    if head is not None and head not in HEAD_CONFIGS:
        raise UserError(
            "there is no such head",
            hint=did_you_mean(head, HEAD_CONFIGS) or "use one of these",
            code="recommend.unknown-head",
            path="--head",
            found=head,
            expected=f"one of {', '.join(HEAD_CONFIGS)}",
        )
    if not path.is_file():
        raise no_file(path, "a study (.yaml), a data file or the name of a bundled set", "check it")
    file_format = given.get("format") or format_of(path)
    meant = HEAD_OF_FORMAT.get(file_format)
    if meant is None:
        return _of_table(path, file_format, given, head)
    if head not in (None, meant):
        raise UserError(
            f"only the head '{meant}' reads this format",
            code="recommend.format-of-head",
            path=path,
            found=f"--head {head}",
            hint="remove --head",
        )
    concluded = (because("format", head=meant, format=file_format),)
    if meant == "masked_lm":
        return _of_text(path, given, concluded)
    if meant == "token_classification":
        return _with_scheme(path, file_format, (given.get("tokens", "tokens"), given.get("tags", "tags")), given, concluded)
    return TaskGuess(meant, dict(given), concluded)


def _of_table(path: Path, file_format: str, given: Given, head: str | None) -> TaskGuess:
    names = data_files.column_names(path, file_format)
    _check_given(path, names, given)
    tokens = data_files.find_first(data_files.TOKENS, names, given, "tokens")
    tags = data_files.find_first(data_files.TAGS, names, given, "tags")
    is_question = set(data_files.QUESTION) <= set(names) or {"question", "context", "answers"} <= given.keys()
    chosen = head or ("question_answering" if is_question else "token_classification" if tokens and tags else None)
    if chosen == "question_answering":
        return _of_questions(path, names, given, guessed=head is None)
    if chosen == "token_classification":
        if tokens is None or tags is None:
            raise _unknown(path, names, "words and tags", "--set data.tokens=COLUMN --set data.tags=COLUMN")
        concluded = (because("tagged_columns", tokens=tokens, tags=tags),)
        return _with_scheme(path, file_format, (tokens, tags), dict(given) | {"tokens": tokens, "tags": tags}, concluded)
    return _of_texts(path, file_format, names, given, chosen)


def _of_questions(path: Path, names: Sequence[str], given: Given, *, guessed: bool) -> TaskGuess:
    found = {key: given.get(key, key) for key in data_files.QUESTION}
    for key, name in found.items():
        if name not in names:
            raise _unknown(path, names, f"the {key} of each question", f"--set data.{key}=COLUMN")
    data = dict(given) | {key: name for key, name in found.items() if name != key}
    if "id" not in names and "id" not in given:
        data["id"] = None
    return TaskGuess("question_answering", data, (because("question_columns", columns=list(found.values())),) if guessed else ())


def _of_texts(path: Path, file_format: str, names: Sequence[str], given: Given, head: str | None) -> TaskGuess:
    text, label = data_files.find_text(names, given), data_files.find_label(names, given)
    others = [name for name in names if name.casefold() not in data_files.IDS and name != text and name != label]
    if text is None and label is not None and len(others) == 1:
        (text,) = others
    if text is None:
        raise _unknown(path, names, "the text", "--text COLUMN (twice for a pair of texts)")
    what = because("text_column", column=text) if isinstance(text, str) else because("pair_columns", columns=list(text))
    data = dict(given) | {"text": text if isinstance(text, str) else list(text)}
    if head == "masked_lm" or (head is None and label is None and not others):
        return TaskGuess("masked_lm", data, (what, because("no_labels")))
    if label is None:
        raise _unknown(path, names, "the label", "--label COLUMN, or --head masked_lm to learn from the texts alone")
    labels = kind_of_labels(path, data_files.cells_of(path, file_format, label), label, head)
    return TaskGuess(labels.head, data | {"label": label} | labels.data, (what, *labels.conclusions))


def _check_given(path: Path, names: Sequence[str], given: Given) -> None:
    for key in ("text", "label", "tokens", "tags", *data_files.QUESTION):
        wanted = given.get(key, ())
        for name in (wanted,) if isinstance(wanted, str) else wanted:
            if name not in names:
                option = f"--{key}" if key in ("text", "label") else f"--set data.{key}"
                raise UserError(
                    f"there is no column '{name}'",
                    code="recommend.unknown-column",
                    path=path,
                    found=", ".join(names),
                    hint=f"fix {option}",
                )


def _unknown(path: Path, names: Sequence[str], what: str, option: str) -> UserError:
    return UserError(
        f"no column has a usual name for {what}",
        code="recommend.no-usual-column",
        path=path,
        found=f"the columns {', '.join(names)}",
        hint=f"name it with {option}",
    )


def _of_text(path: Path, given: Given, concluded: tuple[Reason, ...]) -> TaskGuess:
    """One text per line where no blank line separates paragraphs."""
    lines = lines_of(path)
    while lines and not lines[-1].strip():
        lines.pop()
    unit = given.get("text_unit") or ("paragraph" if any(not line.strip() for line in lines) else "line")
    concluded = concluded if "text_unit" in given else (*concluded, because(f"{unit}s"))
    return TaskGuess("masked_lm", dict(given) | ({"text_unit": unit} if unit != "paragraph" else {}), concluded)


def _with_scheme(path: Path, file_format: str, cells: tuple[str, str], data: Given, concluded: tuple[Reason, ...]) -> TaskGuess:
    """How the tags mark entities, unless the user gave the scheme."""
    if "scheme" in data:
        return TaskGuess("token_classification", dict(data), concluded)
    scheme, reason = scheme_of_sentences([_list(row[1]) for _, row in READERS[file_format](path, cells)])
    extra = {} if scheme == "iob2" else {"scheme": scheme}
    return TaskGuess("token_classification", dict(data) | extra, (*concluded, reason))


def _list(cell: Any) -> list[str]:
    return [str(tag) for tag in (cell.split() if isinstance(cell, str) else cell)]


def scheme_of_sentences(sentences: Sequence[Sequence[str]]) -> tuple[str, Reason]:
    """The scheme of the tags and why. IOB1 and IOB2 differ in how an entity after O begins: with I- or with B-."""
    tags = {tag for sentence in sentences for tag in sentence}
    scheme = tag_schemes.scheme_of(sorted(tags))
    if scheme == "plain":
        return scheme, because("scheme_plain")
    if scheme != "iob2":
        return scheme, because("scheme_letters", scheme=scheme, letters=sorted({tag[0] for tag in tags}))
    begun = [tag[0] for sentence in sentences for before, tag in itertools.pairwise(["O", *sentence]) if before == "O" != tag]
    n_inside = begun.count("I")
    if 2 * n_inside > len(begun):
        return "iob1", because("scheme_begins", scheme="iob1", n=n_inside, n_entities=len(begun), letter="I")
    return scheme, because("scheme_begins", scheme=scheme, n=len(begun) - n_inside, n_entities=len(begun), letter="B")
