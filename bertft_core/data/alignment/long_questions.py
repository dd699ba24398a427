"""Questions that are longer than allowed, or leave no room for their context: refused, truncated or left out."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from bertft_core.config import UserError
from bertft_core.config.data_settings import DataConfig
from bertft_core.data.alignment.alignment import Fitted
from bertft_core.data.data_findings import places
from bertft_core.data.examples import Example, RawSplit, shorten
from bertft_core.data.question_windows import question_lengths
from bertft_core.records import DataFinding


def longest_of(tokenizer: Any, data: DataConfig) -> int:
    """Tokens that a question may have: those allowed, as far as a window then holds more of the context than the overlap."""
    room = data.max_length - tokenizer.num_special_tokens_to_add(pair=True) - data.overlap - 1
    return min(data.max_question_length, room)


def refuse(examples: Sequence[Example], tokenizer: Any, data: DataConfig) -> None:
    """Raise `UserError` with the line (the caller knows the file) of a question that is too long."""
    limit = longest_of(tokenizer, data)
    lengths = question_lengths(tokenizer, [example.texts[0] for example in examples])
    for length, example in zip(lengths, examples, strict=True):
        if length > limit:
            raise UserError(
                "the question is too long"
                if limit == data.max_question_length
                else f"the question leaves no room for its context in windows of {data.max_length} tokens",
                code="question.too-long",
                path=example.path or None,
                line=example.line,
                found=f"{length} tokens: {shorten(example.texts[0])}",
                expected=f"at most {limit} tokens",
                hint="shorten the question, raise data.max_question_length, or set data.long_questions to truncate or drop"
                if limit == data.max_question_length
                else "shorten the question, raise data.max_length, or lower data.doc_stride",
            )


def truncated(examples: Sequence[Example], tokenizer: Any, data: DataConfig) -> Iterator[tuple[Example, bool]]:
    """Every example with the beginning of its question that is short enough, and whether it was too long."""
    limit = longest_of(tokenizer, data)
    lengths = question_lengths(tokenizer, [example.texts[0] for example in examples])
    for length, example in zip(lengths, examples, strict=True):
        is_long = length > limit > 0
        shorter = _beginning(tokenizer, example.texts[0], limit) if is_long else ""
        yield (dataclasses.replace(example, texts=(shorter, *example.texts[1:])) if shorter else example), is_long


def _beginning(tokenizer: Any, question: str, limit: int) -> str:
    """The question up to the end of a token; a part of a word may have more tokens on its own, so maybe an earlier one."""
    offsets = tokenizer(question, add_special_tokens=False, return_offsets_mapping=True, verbose=False)["offset_mapping"]
    for _, end in reversed(offsets[:limit]):
        shorter = question[:end].rstrip()
        if shorter and question_lengths(tokenizer, [shorter])[0] <= limit:
            return shorter
    return ""


def fit(splits: Mapping[str, RawSplit], data: DataConfig, load: Callable[[], Any]) -> Fitted:
    """The splits with questions that are short enough, and what was truncated or left out.

    `load` gives the tokenizer. Raises `UserError` for a split of which nothing is left.
    """
    if data.long_questions == "refuse":
        return dict(splits), ()
    tokenizer, fitted, findings = load(), {}, []
    for name, split in splits.items():
        found = list(truncated(split.examples, tokenizer, data))
        drop = data.long_questions == "drop"
        cut = [example for example, (_, is_cut) in zip(split.examples, found, strict=True) if is_cut]
        kept = tuple(example for example, is_cut in found if not (drop and is_cut))
        if not kept:
            raise UserError(
                "every question is too long",
                code="question.all-too-long",
                path=split.path,
                line=cut[0].line,
                found=f"{len(cut)} questions, none with at most {data.max_question_length} tokens",
                expected="some questions that are short enough",
                hint="raise data.max_question_length, or set data.long_questions: truncate",
            )
        fitted[name] = dataclasses.replace(split, examples=kept) if cut else split
        if cut:
            numbers = {"limit": longest_of(tokenizer, data), "n_examples": len(split.examples)}
            names = (data.long_questions,)
            findings.append(
                DataFinding(
                    check="long_questions", split=name, count=len(cut), numbers=numbers, names=names, examples=places(split, cut)
                )
            )
    return fitted, tuple(findings)
