"""Extractive question answering: questions about contexts, with answers that are spans of them."""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
import pyarrow as pa

from bertft_core.config import UserError
from bertft_core.config.data_settings import DataConfig
from bertft_core.data import data_findings, tokenizer_findings
from bertft_core.data.alignment import long_questions
from bertft_core.data.alignment.alignment import Agreed, Alignment
from bertft_core.data.alignment.answer_checks import agree_on_answers, answers_of
from bertft_core.data.cells import is_unicode, text_of
from bertft_core.data.data_findings import PreparedData
from bertft_core.data.examples import Answer, Example, RawSplit, ReadExample, SourceLocation, as_found, shorten
from bertft_core.data.prepared_split import PreparedSplit
from bertft_core.data.question_windows import question_windows, targets_of, text_read, without_spaces
from bertft_core.data.readers.squad import parse_answers
from bertft_core.data.tokenization import Encoded, lists, table_of
from bertft_core.records import DataFinding

ANSWERABLE, UNANSWERABLE = "answerable", "unanswerable"
UNEQUAL_SHARES = 0.1
"""A null threshold tuned on one share of unanswerable questions may not suit a share that differs by more."""


def columns(data: DataConfig) -> tuple[str, ...]:
    """Id, question, context, answers; without an id column, the question twice."""
    return (data.question if data.id is None else data.id, data.question, data.context, data.answers)


def reader(data: DataConfig, labelled: bool = True) -> ReadExample:
    """What reads a row into a question; `data.id: null` names the questions by their position."""

    def read_example(name: str, cells: tuple[object, ...], place: SourceLocation) -> Example:
        key, question, context, answers = cells
        read = text_of(context, data.context, place)
        return Example(
            id=name if data.id is None or (key is None and not labelled) else _id_of(key, data.id, place),
            texts=(text_of(question, data.question, place), read),
            label=_read_answers(answers, place) if labelled else None,
            line=place.line,
            context=read,
        )

    return read_example


def _id_of(value: object, column: str, place: SourceLocation) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and value.strip() and is_unicode(value):
        return value
    raise UserError(
        f"the id in column '{column}' is missing or not a name",
        code="question.id-missing",
        path=place.path,
        line=place.line,
        found=as_found(value),
        expected="a text or a whole number",
        hint="name the question, or set data.id to null, which names questions by their position",
    )


def _read_answers(value: object, place: SourceLocation) -> tuple[Answer, ...]:
    if not isinstance(value, tuple):  # the SQuAD reader has read them already
        if isinstance(value, str):  # a cell of a CSV or TSV file
            with contextlib.suppress(ValueError, RecursionError):  # what is not JSON is not a list of answers either
                value = json.loads(value)
        value = parse_answers(value, path=place.path, line=place.line)
    return tuple(Answer(text, start) for text, start in value)


def agree(splits: Mapping[str, RawSplit], data: DataConfig) -> Agreed:
    """Checks positions of answers and ids; the labels say whether training questions may be unanswerable.

    Raises `UserError` with file and line; see `answer_checks.agree_on_answers`.
    """
    agreed, findings = agree_on_answers(splits, repair=data.misplaced_answers == "repair")
    known_null = any(not example.label for example in splits["train"].examples)
    return agreed, (ANSWERABLE, UNANSWERABLE) if known_null else (ANSWERABLE,), findings


def settings(data: DataConfig) -> dict[str, Any]:
    """How contexts are split into windows, and which questions are refused."""
    return {"overlap": data.overlap, "max_question_length": data.max_question_length}


def tokenise(tokenizer: Any, examples: Sequence[Example], labels: tuple[str, ...], data: DataConfig, types: bool) -> pa.Table:
    """One row per question, its windows one after another.

    Columns beside those of `table_of`: `text` and `text_b` (question, context), `answers` (texts), `answer_read` (what the
    target span reads as, null for an unanswerable question), `window_lengths`, per window `starts`, `ends` (target
    tokens, counted in the window, of the first answer) and `nulls` (the token of "no answer"), per token two `offsets`.
    The schema says whether questions may be unanswerable: in SQuAD 2.0, where a training question is.
    """
    if data.long_questions == "truncate":
        examples = [shortened for shortened, _ in long_questions.truncated(examples, tokenizer, data)]
    questions, contexts = [example.texts[0] for example in examples], [example.texts[1] for example in examples]
    long_questions.refuse(examples, tokenizer, data)
    rows: dict[str, list[Any]] = {
        name: [] for name in ("ids", "types", "n_tokens", "lengths", "starts", "ends", "nulls", "offsets", "read")
    }
    per_question = question_windows(tokenizer, questions, contexts, data.max_length, data.overlap)
    for example, windows in zip(examples, per_question, strict=True):
        targets = targets_of(windows, _first_span(example))
        rows["ids"].append(np.concatenate([window.input_ids for window in windows]))
        rows["types"].append(np.concatenate([window.token_type_ids for window in windows]))
        rows["lengths"].append(np.array([len(window.input_ids) for window in windows], np.int32))
        repeated = len(windows[0].input_ids) - windows[0].n_context + data.overlap  # in every further window
        rows["n_tokens"].append(len(rows["ids"][-1]) - (len(windows) - 1) * repeated)
        rows["starts"].append(np.array([start for start, _ in targets], np.int32))
        rows["ends"].append(np.array([end for _, end in targets], np.int32))
        rows["nulls"].append(np.array([window.null for window in windows], np.int32))
        rows["offsets"].append(np.concatenate([window.offsets for window in windows]).ravel())
        rows["read"].append(text_read(windows, targets, example.texts[1]) if example.label else None)
    encoded = Encoded(rows["ids"], rows["types"], rows["n_tokens"])
    more = {
        "text": pa.array(questions, pa.large_string()),
        "text_b": pa.array(contexts, pa.large_string()),
        "answers": pa.array([[answer.text for answer in answers_of(example)] for example in examples], pa.list_(pa.string())),
        "answer_read": pa.array(rows["read"], pa.string()),
        "window_lengths": lists(rows["lengths"]),
        **{name: lists(rows[name]) for name in ("starts", "ends", "nulls", "offsets")},
    }
    table = table_of(tokenizer, [example.id for example in examples], encoded, more, types=types, pair=True)
    return table.replace_schema_metadata(table.schema.metadata | {b"has_null": str(int(UNANSWERABLE in labels)).encode()})


def _first_span(example: Example) -> tuple[int, int] | None:
    """Characters of the first answer, which is the one that is trained."""
    answers = answers_of(example)
    if not answers:
        return None
    return without_spaces(example.texts[1], answers[0].start, answers[0].start + len(answers[0].text))


def gold(split: PreparedSplit) -> pa.Table:
    """example_id and answers, and the context, from which the head takes its answers."""
    return split.table.select(["example_id", "answers", "text_b"])


def counts(examples: Sequence[Example], labels: tuple[str, ...]) -> dict[str, int]:
    """Answerable and unanswerable questions."""
    n_answerable = sum(bool(example.label) for example in examples)
    counted = {ANSWERABLE: n_answerable, UNANSWERABLE: len(examples) - n_answerable}
    return {label: counted[label] for label in labels}


def find_shared_contexts(data: PreparedData) -> Iterator[DataFinding]:
    """Questions about a context that is in an earlier split too: scores on them are too good."""
    seen: dict[tuple[str, ...], str] = {}
    for name, split in data.raw.items():
        keys = [example.key[1:] for example in split.examples]
        shared = [(example, seen[key]) for example, key in zip(split.examples, keys, strict=True) if key in seen]
        if shared:
            yield DataFinding(
                check="shared_contexts",
                split=name,
                count=len(shared),
                names=tuple(dict.fromkeys(other for _, other in shared)),
                examples=tuple(_place(split, example, example.texts[0]) for example, _ in shared[: data_findings.N_SHOWN]),
            )
        seen |= {key: name for key in keys if key not in seen}


def find_inexpressible(data: PreparedData) -> Iterator[DataFinding]:
    """Answers that no span of tokens gives exactly: they begin or end inside a token, or are too long for a window."""
    for name, split in data.raw.items():
        read = data.prepared[name].table["answer_read"].to_pylist()
        other = [
            (example, text)
            for example, text in zip(split.examples, read, strict=True)
            if text is not None and text != answers_of(example)[0].text.strip()
        ]
        if other:
            yield DataFinding(
                check="inexpressible_answers",
                split=name,
                count=len(other),
                examples=tuple(
                    _place(split, example, f"{answers_of(example)[0].text!r} → {text!r}")
                    for example, text in other[: data_findings.N_SHOWN]
                ),
            )


def find_several_answers(data: PreparedData) -> Iterator[DataFinding]:
    """Training questions with different answers: all count in scoring, the first is trained on."""
    several = [e for e in data.raw["train"].examples if len(set(answers_of(e))) > 1]
    if several:
        yield DataFinding(
            check="several_answers",
            split="train",
            count=len(several),
            examples=tuple(_place(data.raw["train"], e, e.texts[0]) for e in several[: data_findings.N_SHOWN]),
        )


def find_unequal_shares(data: PreparedData) -> Iterator[DataFinding]:
    """Splits whose share of unanswerable questions differs from the validation set, on which the null threshold is tuned.

    The examples of a split design are checked before any validation set is cut.
    """
    if UNANSWERABLE not in data.labels or "validation" not in data.raw:
        return
    n_null = {name: sum(not example.label for example in split.examples) for name, split in data.raw.items()}
    shares = {name: n / len(data.raw[name].examples) for name, n in n_null.items()}
    for name, share in shares.items():
        if abs(share - shares["validation"]) > UNEQUAL_SHARES:
            yield DataFinding(
                check="unanswerable_share",
                split=name,
                count=n_null[name],
                numbers={"share": share, "validation_share": shares["validation"]},
            )


def _place(split: RawSplit, example: Example, what: str) -> str:
    return f"{PurePath(split.path_of(example)).name}:{example.line}: {shorten(what)}"


ALIGNMENT = Alignment(
    columns=columns,
    reader=reader,
    tokenise=tokenise,
    checks=(
        data_findings.find_duplicates,
        find_shared_contexts,
        find_inexpressible,
        find_several_answers,
        find_unequal_shares,
        *tokenizer_findings.TOKENIZER_CHECKS,
    ),
    agree=agree,
    fit=long_questions.fit,
    settings=settings,
    gold=gold,
    counts=counts,
)
