"""A search's space by itself: which settings it may name, which of them a trial has, and which values are enough to try."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, get_args

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr, model_validator

from bertft_core.config.arm_sections import DataOverrides, EncoderOverrides, HeadOverrides
from bertft_core.config.base import Frozen, left_out_if, misplaced, wrong_value
from bertft_core.config.learning_curves import SIZE, SUBSETS
from bertft_core.config.optional_settings import Overrides
from bertft_core.config.strategy_settings import AnyStrategy
from bertft_core.config.training_settings import TrainingConfig

Value = bool | int | float | str
Settings = dict[str, Value]
"""Dotted key → value."""


class Range(Frozen):
    """A number between `low` and `high`, both included."""

    low: float
    high: float
    log: bool = False
    integer: bool = False
    step: float | None = Field(
        None,
        gt=0,
        exclude_if=left_out_if(None),
        description="Distance between neighbouring values, from low on; absent means any.",
    )

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if self.low >= self.high:
            raise wrong_value(
                f"low ({self.low}) must be smaller than high ({self.high})", "exchange the two, correct one, or give choices"
            )
        if self.integer and not (self.low.is_integer() and self.high.is_integer()):
            raise wrong_value(
                f"low ({self.low}) and high ({self.high}) of an integer range must be integers",
                "write them without decimals, or remove integer",
            )
        if self.log and self.low <= 0:
            raise wrong_value("a log range must start above 0", "raise low, or remove log")
        return self

    @model_validator(mode="after")
    def _stepped(self) -> Range:
        if self.step is None:
            return self
        if self.log:
            raise misplaced(("step",), "a log range has no equal steps", "remove step or log, or give choices")
        if self.integer and not self.step.is_integer():
            raise misplaced(("step",), f"the step of an integer range must be an integer, not {self.step}", "round it")
        if (n := n_listed(self)) > MAX_STEPS:
            raise misplaced(("step",), f"it makes {n:,} values; at most {MAX_STEPS:,} can be stepped through", "make it larger")
        if (last := listed_value(self, n - 1)) != self.high:
            hint = f"set high to {listed_value(self, n)}" + (f" or {last}" if n > 1 else "") + ", or change the step"
            raise misplaced(("step",), f"steps of {self.step:g} from {self.low:g} do not end at {self.high:g}", hint)
        return self


class Choices(Frozen):
    """One of the listed values."""

    choices: tuple[StrictBool | StrictInt | StrictFloat | StrictStr, ...] = Field(min_length=1, max_length=1000)


Space = Mapping[str, Range | Choices]
"""Dotted key → its values."""

MAX_STEPS = 1_000_000
SECTIONS: dict[str, type[Overrides]] = {"encoder": EncoderOverrides, "head": HeadOverrides, "data": DataOverrides}
SUBSET_KEYS = (SIZE, SUBSETS)
NESTED = (*SECTIONS, "strategies")
STRATEGY_FIELDS = {config.model_fields["kind"].default: config.model_fields for config in get_args(AnyStrategy)}


def _searchable() -> Iterator[str]:
    yield from (*TrainingConfig.model_fields, *SUBSET_KEYS)
    for section, overrides in SECTIONS.items():
        yield from (f"{section}.{key}" + (".train" if key == "subsample" else "") for key in overrides.model_fields)
    for kind, fields in STRATEGY_FIELDS.items():
        if kind != "full":
            yield f"strategies.{kind}"
            yield from (f"strategies.{kind}.{key}" for key in fields if key != "kind")


SEARCHABLE = tuple(_searchable())
"""Every key that an arm may name, dotted; `strategies.KIND` is true or false, and turns the strategy on or off."""


def flat_space(space: Any) -> Any:
    """The space with dotted keys; `{strategies: {llrd: {decay: …}}}`, as `--set` makes it, is `{strategies.llrd.decay: …}`."""
    if not isinstance(space, Mapping):
        return space
    flat: dict[Any, Any] = {}
    for key, part in space.items():
        for name, values in _leaves(part, (key,)) if key in NESTED else [(key, part)]:
            if name in flat:
                raise misplaced((name,), "it is given twice", "remove one of the two")
            flat[name] = values
    return flat


def _leaves(part: Any, at: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    if isinstance(part, Mapping) and part and not part.keys() & {*Range.model_fields, *Choices.model_fields}:
        for key, below in part.items():
            yield from _leaves(below, (*at, str(key)))
    else:
        yield ".".join(at), part


def is_switch(name: str) -> bool:
    """Whether a setting turns a strategy on or off."""
    return name.startswith("strategies.") and name.count(".") == 1


def switch_of(name: str) -> str | None:
    """The setting that turns a strategy on or off, for a setting of this strategy."""
    return name.rpartition(".")[0] if name.startswith("strategies.") and name.count(".") == 2 else None


def is_active(name: str, settings: Mapping[str, Any]) -> bool:
    """Whether a trial with these settings has this one too: a setting of a strategy that is turned off has no value."""
    switch = switch_of(name)
    return switch is None or settings.get(switch) is not False


def conditional(space: Space) -> list[str]:
    """The settings that not every trial has: those of strategies that some trials turn off."""
    may_be_off = {name for name, part in space.items() if is_switch(name) and False in ends(part)}
    return [name for name in space if switch_of(name) in may_be_off]


def sampled_order(space: Space) -> list[str]:
    """The settings in the order in which a trial gets them: what turns a strategy on or off before the strategy's settings."""
    return sorted(space, key=lambda name: not is_switch(name))


def ends(part: Range | Choices) -> tuple[Value, ...]:
    """Both ends of a range; every choice."""
    if isinstance(part, Choices):
        return part.choices
    return (int(part.low), int(part.high)) if part.integer else (part.low, part.high)


def extremes(part: Range | Choices) -> tuple[Value, ...]:
    """The smallest and the largest number; of names, each one once."""
    values = tuple(dict.fromkeys(ends(part)))
    numbers = [value for value in values if not isinstance(value, str)]
    return (min(numbers), max(numbers)) if numbers else values


def tried_settings(space: Space) -> Iterator[tuple[Settings, tuple[str, ...]]]:
    """Settings that are enough to try, with the names of those that are varied: every end and choice, alone and two at a time."""
    first: Settings = {name: ends(part)[0] for name, part in space.items()}
    for name, part in space.items():
        for value in ends(part):
            yield _complete(first, {name: value}, space), (name,)
    for pair in itertools.combinations(space, 2):
        for values in itertools.product(*(extremes(space[name]) for name in pair)):
            yield _complete(first, dict(zip(pair, values, strict=True)), space), pair


def _complete(first: Settings, varied: Settings, space: Space) -> Settings:
    """A trial's settings: the strategies whose settings are varied are turned on, those that are off have no settings."""
    needed = {switch: True for name in varied if (switch := switch_of(name)) in space and switch is not None}
    settings = first | needed | varied
    return {name: value for name, value in settings.items() if is_active(name, settings)}


def variants(space: Space) -> list[Settings]:
    """Every combination of the settings that decide which encoder and data a trial reads; one without any where there are none.

    Of the head's settings, those with choices: no range of them changes what is prepared.
    """
    listed = {name: listed_values(part) for name, part in space.items() if decides_card(name, part)}
    return [dict(zip(listed, values, strict=True)) for values in itertools.product(*listed.values())]


def n_variants(space: Space) -> int:
    """How many combinations `variants` gives."""
    sizes = (n_listed(part) for name, part in space.items() if decides_card(name, part))
    return math.prod(sizes)


def decides_card(name: str, part: Range | Choices) -> bool:
    """Whether trials with other values of a setting may need another data card."""
    section = name.partition(".")[0]
    return section in ("encoder", "data") or (section == "head" and isinstance(part, Choices))


def listed_values(part: Range | Choices) -> tuple[Value, ...]:
    """The choices, or the steps of a range, which are 1 where it has none."""
    if isinstance(part, Choices):
        return part.choices
    return tuple(listed_value(part, i) for i in range(n_listed(part)))


def listed_value(part: Range, i: int) -> int | float:
    """The value `i` steps above the low end, rounded once: 0.3, not 0.1 + 0.1 + 0.1."""
    value = Fraction(str(part.low)) + i * Fraction(str(part.step or 1))
    return int(value) if part.integer else float(value)


def n_listed(part: Range | Choices) -> int:
    """How many values `listed_values` gives."""
    if isinstance(part, Choices):
        return len(part.choices)
    return int((Fraction(str(part.high)) - Fraction(str(part.low))) / Fraction(str(part.step or 1))) + 1
