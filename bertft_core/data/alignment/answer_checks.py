"""What must hold before a question is learned from: answers are where they say, and ids are unique."""

import dataclasses
from collections.abc import Mapping
from pathlib import PurePath

from bertft_core.config import UserError
from bertft_core.data.data_findings import N_SHOWN
from bertft_core.data.examples import Answer, Example, RawSplit, shorten
from bertft_core.records import DataFinding


def answers_of(example: Example) -> tuple[Answer, ...]:
    """The answers of a question; none where it is unanswerable, or only to be predicted."""
    return example.label or ()  # type: ignore[return-value]


def agree_on_answers(splits: Mapping[str, RawSplit], *, repair: bool) -> tuple[dict[str, RawSplit], tuple[DataFinding, ...]]:
    """The splits with every answer at its position, and what was repaired.

    Raises `UserError` with file and line for a duplicate id, for a question without an answer where every training question
    has one, and for an answer that is not at its `answer_start`. With `repair` such an answer is moved to where it is, when
    it occurs exactly once in its context.
    """
    for name, split in splits.items():
        _refuse_duplicate_ids(split)
        _refuse_unlearned_null(name, split, splits["train"])
    agreed, findings = {}, []
    for name, split in splits.items():
        agreed[name], repaired = _in_place(split, repair)
        if repaired:
            examples = tuple(repaired[:N_SHOWN])
            findings.append(DataFinding(check="repaired_answers", split=name, count=len(repaired), examples=examples))
    return agreed, tuple(findings)


def _refuse_duplicate_ids(split: RawSplit) -> None:
    lines: dict[str, int] = {}
    for example in split.examples:
        if example.id in lines:
            raise UserError(
                f"duplicate id '{shorten(example.id)}'",
                code="question.duplicate-id",
                path=split.path,
                line=example.line,
                found=f"the same id in line {lines[example.id]}",
                expected="a unique id for every question",
                hint="rename one of the two, or remove the copy",
            )
        lines[example.id] = example.line


def _refuse_unlearned_null(name: str, split: RawSplit, train: RawSplit) -> None:
    first = next((example for example in split.examples if not example.label), None)
    if first is not None and all(example.label for example in train.examples):
        raise UserError(
            f"a question of {name} has no answer, but every training question has one",
            code="question.unanswerable-outside-train",
            path=split.path,
            line=first.line,
            found=shorten(first.texts[0]),
            expected="unanswerable questions in train too (SQuAD 2.0), or nowhere (SQuAD 1.1)",
            hint=f"add unanswerable questions to train, or remove them from {name}",
        )


def _in_place(split: RawSplit, repair: bool) -> tuple[RawSplit, list[str]]:
    """The split with every answer at its position, and a line about each one that was moved."""
    examples, repaired = [], []
    for example in split.examples:
        answers = []
        for answer in answers_of(example):
            if not is_at(example.context, answer):
                moved = Answer(answer.text, _only_position(split, example, answer, repair))
                where = f"{PurePath(split.path).name}:{example.line}"
                repaired.append(f"{where}: {shorten(repr(answer.text), 50)} from {answer.start} to {moved.start}")
                answer = moved
            answers.append(answer)
        examples.append(dataclasses.replace(example, label=tuple(answers)))
    return (split.derived(tuple(examples)) if repaired else split), repaired


def is_at(context: str, answer: Answer) -> bool:
    """Whether the context has the answer's text at its start; -1 does not count from the end."""
    return answer.start >= 0 and context.startswith(answer.text, answer.start)


def _only_position(split: RawSplit, example: Example, answer: Answer, repair: bool) -> int:
    """Where the answer occurs, if that is exactly once and may be repaired; else a `UserError`."""
    first = example.context.find(answer.text)
    only = first >= 0 and example.context.find(answer.text, first + 1) < 0
    if repair and only:
        return first
    there = example.context[max(answer.start, 0) :][: len(answer.text)]
    why = "does not occur in its context" if first < 0 else "is not at its answer_start"
    raise UserError(
        f"the answer {shorten(repr(answer.text), 50)} {why}",
        code="question.answer-misplaced",
        path=split.path,
        line=example.line,
        found=f"{shorten(repr(there), 60)} at character {answer.start}, in the question {shorten(example.id, 40)}",
        expected=_expected(only, first),
        hint="set data.misplaced_answers to repair, or correct answer_start"
        if only
        else "correct the answer or its answer_start",
    )


def _expected(only: bool, first: int) -> str:
    if only:
        return f"the answer's text, which is at character {first}"
    return "the answer's text, letter by letter" + ("" if first < 0 else "; it occurs more than once, so its position is unknown")
