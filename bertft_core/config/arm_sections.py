"""What an arm changes of the study's encoder, head and data, and the section that results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from bertft_core.config.base import LARGEST, Frozen, misplaced, wrong_value
from bertft_core.config.data_settings import BundledData
from bertft_core.config.encoder_settings import EncoderConfig
from bertft_core.config.head_settings import HEAD_CONFIGS
from bertft_core.config.optional_settings import Overrides, overrides_of
from bertft_core.config.yaml_text import Path

ENCODER_NAMES = frozenset({"checkpoint", "path", "study"})
"""Keys that name an encoder: an arm that gives one keeps nothing of the study's."""
DATA_KEYS = ("max_length", "long_texts", "doc_stride", "max_question_length", "symmetric", "subsample", "extra_train")
"""Keys of `data` that change how examples are read or which are trained on, and never what is predicted and scored."""
HEAD_FIELDS = {name: field for config in HEAD_CONFIGS.values() for name, field in config.model_fields.items() if name != "kind"}


class EncoderOverrides(overrides_of(EncoderConfig.model_fields)):  # type: ignore[misc]
    """Another encoder for one arm: its own name, or other settings of the study's."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.path is not None and (ignored := [key for key in ("checkpoint", "revision") if getattr(self, key) is not None]):
            raise misplaced((ignored[0],), "the arm's encoder has a path, so it would be ignored", "remove it, or the path")
        return self


class HeadOverrides(overrides_of(HEAD_FIELDS)):  # type: ignore[misc]
    """Settings of the study's head that differ; the task is the same for all arms."""


class DataOverrides(overrides_of({name: BundledData.model_fields[name] for name in DATA_KEYS})):  # type: ignore[misc]
    """Settings of the study's data that differ; what is predicted and scored is the same for all arms."""

    subsample: dict[str, Annotated[int, Field(ge=2, le=LARGEST)] | None] | None = Field(
        None, description="{train: N} for N training examples, {train: null} for all of them."
    )

    @field_validator("subsample")
    @classmethod
    def _of_the_training_set(cls, sizes: dict[str, int | None] | None) -> dict[str, int | None]:
        if sizes is None:
            raise wrong_value("the study's subsample holds for all splits", "write {train: null} for the whole training set")
        for name in sizes:
            if name != "train":
                problem = "all arms are scored on the same examples, so an arm can change the training set only"
                raise misplaced((name,), problem, "set data.subsample for the whole study")
        return sizes


def own_sections(sections: Mapping[str, Any], changes: Mapping[str, Overrides | None], at: Path) -> dict[str, Any]:
    """Section → the arm's own, of those that the arm changes. Raises a pydantic error at its place in the arm."""
    given = {name: each.overrides() for name, each in changes.items() if each is not None}
    return {name: _changed(sections[name], values, (*at, name)) for name, values in given.items() if values}


def _kept_of_encoder(base: dict[str, Any], given: dict[str, Any], at: Path) -> dict[str, Any]:
    """What an arm keeps of the study's encoder: nothing of one that it names anew, and not the weights of another revision."""
    if any(given.get(name) is not None for name in ENCODER_NAMES):
        return {}
    if given.get("revision") is None:
        return base
    if (base | given).get("path") is not None:
        problem = "the study's encoder has a path, so it would be ignored"
        raise misplaced((*at, "revision"), problem, "remove it, or name a checkpoint for the arm")
    return {key: value for key, value in base.items() if key != "weights_sha256"}


def _changed(section: Frozen, given: dict[str, Any], at: Path) -> Frozen:
    """The section with changes, key by key; an encoder that is named anew keeps nothing of the other."""
    known = type(section).model_fields
    if foreign := [name for name in given if name not in known]:
        problem = f"the head '{getattr(section, 'kind', '')}' has no such setting; it has {', '.join(known)}"
        raise misplaced((*at, foreign[0]), problem, "remove it")
    base = section.model_dump(exclude_unset=True)
    if isinstance(section, EncoderConfig):
        base = _kept_of_encoder(base, given, at)
    if "subsample" in given:
        sizes = base.get("subsample", {}) | given["subsample"]
        given["subsample"] = {split: n for split, n in sizes.items() if n is not None}
    try:
        return type(section).model_validate(base | given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        context = first.get("ctx", {})
        message = context.get("message") or first["msg"].removeprefix("Value error, ")
        raise misplaced(
            (*at, *first["loc"], *context.get("at", ())),
            message,
            context.get("hint") or f"write {first['msg'].removeprefix('Input should be ')}",
        ) from None
