"""Further training examples that name the example they were made from follow it: they are trained on only where it is."""

import dataclasses
from collections.abc import Container, Iterable, Mapping

from bertft_core.config import UserError
from bertft_core.data.examples import Example, RawSplit, shorten


def with_sources(extra: Mapping[str, RawSplit], given: Mapping[str, RawSplit]) -> dict[str, RawSplit]:
    """The further examples with the id of an example of the `given` splits as their `source_id`.

    A name is an example's own id, or its value in the column of ids; of one that several splits have, train's is meant. Raises
    `UserError` for an unknown or ambiguous one.
    """
    known: dict[str, set[str]] = {}
    for split in given.values():
        here: dict[str, set[str]] = {}
        for example in split.examples:
            for name in {example.id, example.row_id} - {""}:
                here.setdefault(name, set()).add(example.id)
        known = here | known
    return {
        name: split.derived(tuple(_sourced(example, split, known) for example in split.examples)) for name, split in extra.items()
    }


def name_sources(extra: Mapping[str, RawSplit]) -> bool:
    """Whether any of the further examples names the one that it was made from."""
    return any(example.source_id for split in extra.values() for example in split.examples)


def extra_of(extra: Iterable[Example], train_ids: Container[str]) -> tuple[Example, ...]:
    """The further examples to train on beside the examples with these ids: those made from one of them or from none."""
    return tuple(example for example in extra if not example.source_id or example.source_id in train_ids)


def all_left_out(split: RawSplit) -> UserError:
    """The error for a file of further examples of which none has its source in the training set."""
    return UserError(
        "no example of the file was made from an example that is trained on",
        code="extra.no-source-in-train",
        path=split.path,
        line=split.examples[0].line,
        found="sources that are in validation, in test or left out of train",
        expected="at least one whose source is in train",
        hint="write examples from those of train, or remove the file from data.extra_train",
    )


def _sourced(example: Example, split: RawSplit, known: Mapping[str, set[str]]) -> Example:
    if not example.source_id:
        return example
    ids = known.get(example.source_id, set())
    if len(ids) == 1:
        return dataclasses.replace(example, source_id=next(iter(ids)))
    raise UserError(
        f"there are {len(ids)} examples with the id '{shorten(example.source_id)}'"
        if ids
        else f"there is no example with the id '{shorten(example.source_id)}'",
        code="extra.unknown-source",
        path=split.path_of(example),
        line=example.line,
        found=f"source_id '{shorten(example.source_id)}'",
        expected="the id of one example of the study: its value in the column 'id', or a name such as train-00012, which counts"
        " the examples of its file from 0",
        hint="correct it, or leave it empty for an example that was made from none",
    )
