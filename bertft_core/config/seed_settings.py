"""Which seeds a study reports on, and how many: a fixed number, until an interval is narrow, or the best of many."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from bertft_core.config.base import Frozen, misplaced

Stream = Literal["init", "order", "dropout"]
MIN_FIRST_BATCH = 3
"""Seeds before the first look of `until`: the spread of two is no measure of it."""


class OnlyDesign(Frozen):
    """One stream moves, the two others stay at the first index."""

    only: Stream


class CrossedSizes(Frozen):
    """How many init seeds meet how many order seeds, and how often."""

    init: int = Field(ge=2, le=1000)
    order: int = Field(ge=2, le=1000)
    replicates: int = Field(
        1,
        ge=1,
        le=100,
        description="Runs of each pair of seeds, each with another dropout seed: 2 tell interaction from the rest.",
    )

    @property
    def n(self) -> int:
        """Runs of an arm."""
        return self.init * self.order * self.replicates

    @model_serializer(mode="wrap")
    def _as_before_there_were_replicates(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """One replicate is left out, so that the digests of older studies stay what they were."""
        values: dict[str, Any] = serialize(self)
        return values if self.replicates > 1 else {name: value for name, value in values.items() if name != "replicates"}


class CrossedDesign(Frozen):
    """Every init seed with every order seed: `init` × `order` × `replicates` runs; dropout moves with the run."""

    crossed: CrossedSizes


class UntilConfig(Frozen):
    """When there are seeds enough: the mean of the validation metric is known to ± `half_width` in every arm."""

    metric: str | None = Field(None, description="Its validation value is watched; by default the study's metric.")
    half_width: float = Field(gt=0.0, description="Half the width of the 95 % interval that is narrow enough.")
    batch: int = Field(
        4, ge=1, description="Seeds added to every arm at once; part of the rule's identity, unlike the slot count."
    )

    @model_validator(mode="before")
    @classmethod
    def _never_on_test(cls, value: Any) -> Any:
        if isinstance(value, dict) and "split" in value:
            raise misplaced(
                ("split",), "the number of seeds is decided on the validation set: the test set decides nothing", "take it out"
            )
        return value


class SeedsConfig(Frozen):
    """The report seeds: indices `first, first + 1, …`, each with a seed of its own in every stream."""

    n: int = Field(5, ge=1, le=10_000, description="Runs of each arm; a crossed design and `start` say their own number.")
    first: int = Field(0, ge=0)
    design: Literal["joint"] | OnlyDesign | CrossedDesign = "joint"
    repeats: int = Field(0, ge=0, le=1000, description="Further runs of each arm's first seed with every seed the same.")
    until: UntilConfig | None = Field(None, description="Begin with `n` and add seeds to every arm until this holds.")
    max: int | None = Field(None, ge=2, le=1000, description="With `until`: never more seeds of an arm than this.")
    start: int | None = Field(None, ge=2, le=10_000, description="Start many, stop early: seeds of each arm that begin.")
    stop_at: float | None = Field(None, gt=0.0, lt=1.0, description="With `start`: share of the steps after which they stop.")
    keep: int | None = Field(None, ge=1, description="With `start`: the best on the validation set, which go on to their end.")

    @model_serializer(mode="wrap")
    def _what_is_asked(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What is not asked for is left out, so that the digests of older studies stay what they were."""
        return {name: value for name, value in serialize(self).items() if value is not None}

    @model_validator(mode="after")
    def _fit_together(self) -> SeedsConfig:
        if self.until is not None or self.max is not None:
            self._check_until()
        given = [name for name in ("start", "stop_at", "keep") if getattr(self, name) is not None]
        if given:
            self._check_start(given)
        return self

    def _check_until(self) -> None:
        if self.until is None:
            raise misplaced(("max",), "only seeds that are added until something holds have a maximum", "give seeds.until, or n")
        if self.max is None:
            raise misplaced(("until",), "without a maximum it might go on for ever", "give seeds.max")
        if self.start is not None:
            raise misplaced(("until",), "seeds that were selected measure no spread, so none can be waited for", "take one out")
        if isinstance(self.design, CrossedDesign):
            raise misplaced(("until",), "a crossed design is a whole grid; seeds cannot be added one by one", "take one out")
        if self.n < MIN_FIRST_BATCH:
            raise misplaced(("n",), f"the first look needs {MIN_FIRST_BATCH} seeds or more to see a spread")
        if self.max <= self.n:
            raise misplaced(("max",), f"{self.max} leaves no seeds to add to the first {self.n}", "make it larger than seeds.n")

    def _check_start(self, given: list[str]) -> None:
        if self.start is None or self.stop_at is None or self.keep is None:
            missing = ", ".join(name for name in ("start", "stop_at", "keep") if name not in given)
            raise misplaced((given[0],), f"start, stop_at and keep go together; {missing} is not given", "give all three")
        if self.keep >= self.start:
            raise misplaced(
                ("keep",), f"of {self.start} seeds that start fewer must go on, not {self.keep}", "make keep smaller, or give n"
            )
        if self.design != "joint":
            raise misplaced(("design",), "selected seeds can say nothing about where the variance comes from", "use joint")
        if self.repeats:
            raise misplaced(("repeats",), "the first seed may be one of those that stop early", "measure the floor without start")

    @property
    def n_at_first(self) -> int:
        """Runs of an arm that are planned before any has ended."""
        if isinstance(self.design, CrossedDesign):
            return self.design.crossed.n
        return self.n if self.start is None else self.start

    @property
    def n_at_most(self) -> int:
        """Runs that an arm can come to have."""
        return self.n_at_first if self.until is None or self.max is None else self.max

    @property
    def looks(self) -> tuple[int, ...]:
        """Seeds of an arm at each time that `until` is asked; none without it."""
        if self.until is None or self.max is None:
            return ()
        return (*range(self.n, self.max, self.until.batch), self.max)
