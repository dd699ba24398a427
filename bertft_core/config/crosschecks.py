"""Checks that need several sections of a study: what fits each section alone may not fit together."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Collection, Iterator
from typing import Any

from pydantic import ValidationError

from bertft_core.config.base import misplaced
from bertft_core.config.data_settings import RESERVED_SPLITS, BundledData, DataConfig
from bertft_core.config.search_settings import Choices, Range, SearchConfig
from bertft_core.config.seed_checks import check_choosing, check_number_of_seeds, check_search_seeds
from bertft_core.config.strategy_combinations import objection
from bertft_core.config.study_sections import StudySections
from bertft_core.config.training_settings import TrainingConfig, merge_training
from bertft_core.config.yaml_text import Path

Value = int | float | str


def check_study(study: StudySections) -> None:
    """Raise a pydantic error that names the place to change, for the first thing that does not fit the rest."""
    check_choosing(study)
    _check_known(study.metric, study.head.metrics, f"metric of the head '{study.head.kind}'", ("metric",))
    if study.encoder.study == study.name:
        raise misplaced(("encoder", "study"), "a study cannot start from its own model", "give this study another name")
    _check_data_keys(study)
    _check_splits(study)
    check_number_of_seeds(study)
    for name, arm in study.arms.items():
        refused = objection(arm.strategies, study.head)
        if refused is not None:
            raise misplaced(("arms", name, "strategies"), refused[1], f"take '{refused[0]}' out")
        try:
            merge_training(study.training, arm.overrides())
        except ValidationError as error:
            raise misplaced(("arms", name, *error.errors()[0]["loc"]), _sentence(error)) from None
        if arm.search is not None:
            check_search_seeds(study, arm.search, ("arms", name, "search"))
            base = merge_training(study.training, arm.overrides())
            _check_search_training(base, arm.search, ("arms", name, "search", "training"))
            _check_space(base, arm.search.training.overrides(), arm.search.space, ("arms", name, "search", "space"))


EVERY_HEAD_READS = frozenset(
    {"source", "name", "config", "revision", "train", "validation", "test", "out_of_domain", "format"}
) | {
    "max_length",
    "split",
    "subsample",
}


def _check_data_keys(study: StudySections) -> None:
    """No key of `data` is there in vain: each is one that the head understands, and fits the others."""
    data, head = study.data, study.head
    readable = EVERY_HEAD_READS | head.reads
    for key in sorted(data.model_fields_set - readable):
        if getattr(data, key) != type(data).model_fields[key].get_default(call_default_factory=True):
            known = ", ".join(sorted(head.reads))
            raise misplaced(("data", key), f"the head '{head.kind}' does not read it; it reads {known}", "take it out")
    windowed = "long_texts" not in head.reads or data.long_texts == "windows"
    if data.doc_stride is not None and not windowed:
        raise misplaced(("data", "doc_stride"), "only windows overlap", "set data.long_texts to windows, or take it out")
    if data.overlap >= data.max_length - 3:
        raise misplaced(
            ("data", "doc_stride"), f"windows of {data.max_length} word pieces that share {data.overlap} do not advance"
        )
    pair = not isinstance(data.text, str)
    if data.symmetric and not pair:
        raise misplaced(
            ("data", "symmetric"), "only a pair of texts has two orders", "name two columns as data.text, or take it out"
        )
    if data.empty_texts == "keep" and not pair:
        raise misplaced(("data", "empty_texts"), "only a pair of texts has another one to learn from", "take it out")
    if pair and data.long_texts == "windows":
        raise misplaced(("data", "long_texts"), "windows are made of one text, not of a pair", "use truncate")
    if pair and head.kind == "masked_lm":
        raise misplaced(("data", "text"), "masked_lm reads one column of text")
    if data.scheme == "plain" and data.train_scheme is not None:
        raise misplaced(("data", "train_scheme"), "plain tags mark no entities that another scheme could write", "take it out")
    if getattr(head, "crf", False) and getattr(head, "word_prediction", "first") != "first":
        raise misplaced(("head", "word_prediction"), "the CRF reads the first piece of each word", "take one of the two out")
    if getattr(head, "aggregate", "mean") != "mean" and data.long_texts != "windows":
        raise misplaced(
            ("head", "aggregate"), "without windows there is nothing to put together", "set data.long_texts to windows"
        )


def _known_splits(data: DataConfig) -> tuple[str, ...] | None:
    """The splits a study will have, or None where only the source itself knows its out-of-domain sets."""
    if isinstance(data, BundledData):
        return None
    has_test = data.test is not None or data.split.test_ratio is not None or data.split.halve_validation
    return (*RESERVED_SPLITS[: 3 if has_test else 2], *data.out_of_domain)


def _check_splits(study: StudySections) -> None:
    if study.data.split.halve_validation and study.data.split.test_ratio is not None:
        raise misplaced(("data", "split", "test_ratio"), "the test set is cut from train or is half of validation, not both")
    if study.data.split.halve_validation and getattr(study.data, "test", None) is not None:
        raise misplaced(("data", "split", "halve_validation"), "there is a test set, so validation stays whole", "take it out")
    known, wanted = _known_splits(study.data), study.headline.split
    if wanted == "train":
        raise misplaced(("headline", "split"), "the training set is not scored; choose test, validation or an out-of-domain set")
    if known is None:
        return
    _check_known(wanted, dict.fromkeys((*RESERVED_SPLITS[1:], *known[1:])), "split of the data", ("headline", "split"))
    for name in study.data.subsample:
        _check_known(name, known, "split of the data", ("data", "subsample", name))


def _check_known(name: str, known: Collection[str], what: str, at: Path) -> None:
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
        raise misplaced(at, f"'{name}' is no {what}, which has {', '.join(known)}", f"did you mean '{near[0]}'?")


def _check_search_training(base: TrainingConfig, search: SearchConfig, at: Path) -> None:
    changed = search.training.overrides()
    for setting in changed.keys() & search.space.keys():
        raise misplaced((*at, setting), f"'{setting}' is searched over, so it cannot be fixed here", "remove one of the two")
    try:
        merge_training(base, changed)
    except ValidationError as error:
        raise misplaced((*at, *error.errors()[0]["loc"]), _sentence(error)) from None


def _check_space(base: TrainingConfig, named: dict[str, Any], space: dict[str, Range | Choices], at: Path) -> None:
    """Every setting the search can choose is one a run can have.

    The limits of a setting are intervals, and no rule ties more than two settings together: so the ends of the ranges and all
    choices are tried, one setting at a time and then two at a time, the others at their first value.
    """
    first = {name: next(_ends(part)) for name, part in space.items()}
    for name, part in space.items():
        for value in _ends(part):
            settings = _merged(base, named, first | {name: value}, at)
            _check_kept(name, part, value, getattr(settings, name), (*at, name))
    for one, two in itertools.combinations(space, 2):
        for pair in itertools.product(_ends(space[one]), _ends(space[two])):
            _merged(base, named, first | {one: pair[0], two: pair[1]}, at)


def _merged(base: TrainingConfig, named: dict[str, Any], chosen: dict[str, Value], at: Path) -> TrainingConfig:
    try:
        return merge_training(base, named, chosen)
    except ValidationError as error:
        location = error.errors()[0]["loc"]
        guilty = {name: value for name, value in chosen.items() if name in location} or chosen
        tried = ", ".join(f"{name} {value!r}" for name, value in guilty.items())
        raise misplaced((*at, *location), f"the search could choose {tried}, but {_sentence(error)}") from None


def _sentence(error: ValidationError) -> str:
    """The first problem of a merged training section."""
    first = error.errors(include_url=False)[0]
    name = ".".join(map(str, first["loc"]))
    return f"{name} {first['msg'].replace('Input should', 'must')}" if name else first["msg"].removeprefix("Value error, ")


def _check_kept(name: str, part: Range | Choices, given: Value, kept: Any, at: Path) -> None:
    """A value is taken as it was given: no text for a number, no fraction where a whole number is needed."""
    if given != kept:
        raise misplaced(at, f"{given!r} is a text where a number is needed; write it without quotes")
    if isinstance(part, Range) and isinstance(kept, int) and not part.integer:
        raise misplaced(at, f"{name} is a whole number; add `integer: true` to its range")


def _ends(part: Range | Choices) -> Iterator[Value]:
    if isinstance(part, Choices):
        return iter(part.choices)
    return iter((int(part.low), int(part.high)) if part.integer else (part.low, part.high))
