"""From a data file to the `data` and `head` sections of a study, by its format, its columns and their cells."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bertft_core.config.errors import UserError, did_you_mean
from bertft_core.config.head_settings import HEAD_CONFIGS
from bertft_core.data.cells import is_visible
from bertft_core.data.columns import nearest_column
from bertft_core.data.examples import shorten
from bertft_core.data.readers import READERS
from bertft_core.data.readers.file_options import HEAD_OF_FORMAT
from bertft_core.data.readers.file_text import each_line, no_file
from bertft_core.data.sentences import put_together
from bertft_core.data.usual_columns import IDS, LABELS, QUESTION, SENTENCES, TAGS, TOKENS, first_usual, usual_text
from bertft_core.metrics import tag_schemes
from bertft_core.recipes import data_files
from bertft_core.recipes.file_reading import FileReading, reading_of, table_shape
from bertft_core.recipes.label_kinds import kind_of_labels
from bertft_core.recipes.one_hot_labels import kind_of_flags
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
    reading = reading_of(path, given)
    meant = HEAD_OF_FORMAT.get(reading.file_format)
    found = _of_table(path, reading, head) if meant is None else _of_format(path, reading, meant, head)
    return found._replace(conclusions=(*reading.conclusions, *found.conclusions))


def _of_format(path: Path, reading: FileReading, meant: str, head: str | None) -> TaskGuess:
    if head not in (None, meant):
        raise UserError(
            f"only the head '{meant}' reads this format",
            code="recommend.format-of-head",
            path=path,
            found=f"--head {head}",
            hint="remove --head",
        )
    concluded, given = (because("format", head=meant, format=reading.file_format),), reading.data
    if meant == "masked_lm":
        return _of_text(path, reading, concluded)
    if meant == "token_classification":
        return _with_scheme(path, reading, (given.get("tokens", "tokens"), given.get("tags", "tags")), given, concluded)
    return TaskGuess(meant, given, concluded)


def _of_table(path: Path, reading: FileReading, head: str | None) -> TaskGuess:
    names = data_files.column_names(path, reading)
    given = _as_in_file(path, names, reading.data)
    reading = reading._replace(data=given)
    tokens = given.get("tokens") or first_usual(TOKENS, names)
    tags = given.get("tags") or first_usual(TAGS, [name for name in names if name != tokens])
    is_question = all(first_usual((key,), names) for key in QUESTION) or set(QUESTION) <= given.keys()
    chosen = head or ("question_answering" if is_question else "token_classification" if tokens and tags else None)
    if chosen == "question_answering":
        return _of_questions(path, names, given, guessed=head is None)
    if chosen == "token_classification":
        if tokens is None or tags is None:
            raise _unknown(path, names, "words and tags", "--set data.tokens=COLUMN --set data.tags=COLUMN")
        concluded = [because("tagged_columns", tokens=tokens, tags=tags)]
        data = given | {"tokens": tokens, "tags": tags}
        sentence = first_usual(SENTENCES, [name for name in names if name not in (tokens, tags)])
        if "sentence" not in given and sentence is not None and _one_word_per_row(path, reading, tokens):
            data["sentence"] = sentence
            concluded.append(because("sentence_column", column=sentence))
        return _with_scheme(path, reading, (tokens, tags), data, tuple(concluded))
    return _of_texts(path, reading, names, chosen)


def _of_questions(path: Path, names: Sequence[str], given: Given, *, guessed: bool) -> TaskGuess:
    found = {key: given.get(key) or first_usual((key,), names) or key for key in QUESTION}
    for key, name in found.items():
        if name not in names:
            raise _unknown(path, names, f"the {key} of each question", f"--set data.{key}=COLUMN")
    data = dict(given) | {key: name for key, name in found.items() if name != key}
    if nearest_column("id", names) is None and "id" not in given:
        data["id"] = None
    return TaskGuess("question_answering", data, (because("question_columns", columns=list(found.values())),) if guessed else ())


def _of_texts(path: Path, reading: FileReading, names: Sequence[str], head: str | None) -> TaskGuess:
    given = reading.data
    text: str | Sequence[str] | None = given.get("text") or usual_text(names)
    label: str | Sequence[str] | None = given.get("label") or first_usual(LABELS, names)
    others = [name for name in names if name.casefold().strip() not in IDS and name != label and name not in _listed(text)]
    if text is None and label is not None and len(others) == 1:
        (text,) = others
    if text is None:
        raise _unknown(path, names, "the text", "--text COLUMN (twice for a pair of texts)" + _such_as(path, reading))
    what = because("text_column", column=text) if isinstance(text, str) else because("pair_columns", columns=list(text))
    data = given | {"text": text if isinstance(text, str) else list(text)}
    if head == "masked_lm" or (head is None and label is None and not others):
        return TaskGuess("masked_lm", data, (what, because("no_labels")))
    if label is None or not isinstance(label, str):
        labels = kind_of_flags(path, reading, list(label or others), head, named=label is not None)
        if labels is None:
            raise _unknown(path, names, "the label", "--label COLUMN, or --head masked_lm to learn from the texts alone")
        return TaskGuess(labels.head, data | labels.data, (what, *labels.conclusions))
    cells = [cell for (cell,) in data_files.cells_of(path, reading, [label])]
    labels = kind_of_labels(path, cells, label, head, given.get("label_separator"))
    return TaskGuess(labels.head, data | {"label": label} | labels.data, (what, *labels.conclusions))


def _such_as(path: Path, reading: FileReading) -> str:
    """The options for the columns that look most like a text and its label; nothing where the format has no rows of cells."""
    shape = table_shape(path, reading)
    if shape is None:
        return ""
    found = {role: name for role, name in zip(shape.likely, shape.names, strict=True) if name}
    return "".join(f"{start} --{role} {found[role]}" for role, start in (("text", ", perhaps"), ("label", "")) if role in found)


def _listed(names: str | Sequence[str] | None) -> Sequence[str]:
    return () if names is None else (names,) if isinstance(names, str) else names


def _as_in_file(path: Path, names: Sequence[str], given: Given) -> dict[str, Any]:
    """The given keys with the columns as the file writes them. Raises `UserError` for a column that it does not have."""
    found = dict(given)
    for key in ("text", "label", "tokens", "tags", *QUESTION):
        written = []
        for name in _listed(given.get(key)):
            place = nearest_column(name, names)
            if place is None:
                option = f"--{key}" if key in ("text", "label") else f"--set data.{key}"
                raise UserError(
                    f"there is no column '{name}'",
                    code="recommend.unknown-column",
                    path=path,
                    found=f"the columns {', '.join(names)}",
                    expected=f"a column of the file as {option}",
                    hint=did_you_mean(name, names) or f"correct {option}",
                )
            written.append(names[place])
        if written:
            found[key] = written[0] if isinstance(given[key], str) else written
    return found


def _unknown(path: Path, names: Sequence[str], what: str, option: str) -> UserError:
    return UserError(
        f"no column has a usual name for {what}",
        code="recommend.no-usual-column",
        path=path,
        found=f"the columns {', '.join(names)}",
        hint=f"name it with {option}",
    )


def _of_text(path: Path, reading: FileReading, concluded: tuple[Reason, ...]) -> TaskGuess:
    """One text per line where no blank line separates paragraphs."""
    if "text_unit" in reading.data:
        return TaskGuess("masked_lm", reading.data, concluded)
    n_blank, parted = 0, False
    for line in each_line(path, reading.options):
        is_text = is_visible(line)
        parted |= is_text and n_blank > 0
        n_blank = 0 if is_text else n_blank + 1
    unit = "paragraph" if parted else "line"
    extra = {"text_unit": unit} if unit != "paragraph" else {}
    return TaskGuess("masked_lm", reading.data | extra, (*concluded, because(f"{unit}s")))


def _with_scheme(
    path: Path, reading: FileReading, cells: tuple[str, str], data: Given, concluded: tuple[Reason, ...]
) -> TaskGuess:
    """How the tags mark entities, unless the user gave the scheme."""
    if "scheme" in data:
        return TaskGuess("token_classification", dict(data), concluded)
    sentences = _tags_of_sentences(path, reading, cells, data.get("sentence"))
    scheme, reason = scheme_of_sentences(sentences)
    wrong = tag_schemes.misspelt(tag for tags in sentences for tag in tags)
    if scheme == "plain" and wrong:
        raise UserError(
            "the tags look like misspelt entity tags",
            code="recommend.misspelt-tags",
            path=path,
            found=shorten(", ".join(wrong)),
            expected=shorten(", ".join(dict.fromkeys(wrong.values()))),
            hint="correct them; if they mark no entities, add --set data.scheme=plain",
        )
    extra = {} if scheme == "iob2" else {"scheme": scheme}
    return TaskGuess("token_classification", dict(data) | extra, (*concluded, reason))


def _one_word_per_row(path: Path, reading: FileReading, tokens: str) -> bool:
    return all(isinstance(cell, str) and len(cell.split()) == 1 for (cell,) in data_files.cells_of(path, reading, [tokens]))


def _tags_of_sentences(path: Path, reading: FileReading, cells: tuple[str, str], sentence: str | None) -> list[list[str]]:
    if sentence is None:
        return [_list(row[1]) for row in data_files.cells_of(path, reading, cells)]
    rows = READERS[reading.file_format](path, (*cells, sentence), options=reading.options)
    return [[str(tag) for tag in tags] for _, (_, tags, _) in put_together(rows, str(path), sentence)]  # type: ignore[attr-defined]


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
