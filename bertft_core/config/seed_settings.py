"""Which report seeds a study has, and how many: a fixed number, until an interval is narrow, or the best of many."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from bertft_core.config.base import LARGEST, Frozen, left_out_if, misplaced
from bertft_core.config.split_designs import SplitDesign, SplitsOfDesign

Stream = Literal["init", "order", "dropout"]
MIN_FIRST_BATCH = 3
"""Seeds before the first interim analysis of `until`: two are too few to estimate the spread."""
MOST_RUNS = 10_000
"""Of an arm."""


class OnlyDesign(Frozen):
    """One stream varies, the two others stay at the first index."""

    only: Stream


class CrossedSizes(Frozen):
    """How many init seeds are crossed with how many order seeds, and how often."""

    init: int = Field(ge=2, le=1000)
    order: int = Field(ge=2, le=1000)
    replicates: int = Field(
        1,
        ge=1,
        le=100,
        exclude_if=left_out_if(1),
        description="Runs of each pair of seeds, each with its own dropout seed; 2 separate interaction from residual.",
    )

    @model_validator(mode="after")
    def _not_too_many(self) -> CrossedSizes:
        if self.n > MOST_RUNS:
            problem = f"{self.init} × {self.order} × {self.replicates} = {self.n:,} runs of each arm; at most {MOST_RUNS:,}"
            raise misplaced(("init",), problem, "cross fewer seeds")
        return self

    @property
    def n(self) -> int:
        """Runs of an arm."""
        return self.init * self.order * self.replicates


class CrossedDesign(Frozen):
    """Every init seed with every order seed: `init` × `order` × `replicates` runs, each with its own dropout seed."""

    crossed: CrossedSizes


class UntilConfig(Frozen):
    """Stop adding seeds when the mean of the validation metric is known to ± `half_width` in every arm."""

    metric: str | None = Field(None, description="Validation metric to watch; by default the study's metric.")
    half_width: float = Field(gt=0.0, description="Half width of the 95 % interval that is narrow enough.")
    batch: int = Field(
        4, ge=1, le=1000, description="Seeds added to every arm at once; part of the rule's identity, unlike the number of slots."
    )

    @model_validator(mode="before")
    @classmethod
    def _never_on_test(cls, value: Any) -> Any:
        if isinstance(value, dict) and "split" in value:
            raise misplaced(
                ("split",), "the number of seeds is decided on the validation set, never on the test set", "remove it"
            )
        return value


class SeedsConfig(Frozen):
    """The report seeds: indices `first, first + 1, …`, each with its own seed in every stream."""

    n: int = Field(
        5,
        ge=1,
        le=MOST_RUNS,
        description="Runs of each arm, or with a split design those on each split (by default 1); a crossed design and `start` "
        "give their own number.",
    )
    first: int = Field(0, ge=0, le=LARGEST)
    design: Literal["joint"] | OnlyDesign | CrossedDesign | SplitDesign = "joint"
    repeats: int = Field(0, ge=0, le=1000, description="Repeated runs of each arm's first seed, with all seeds unchanged.")
    until: UntilConfig | None = Field(
        None, exclude_if=left_out_if(None), description="Begin with `n` seeds and add seeds to every arm until this holds."
    )
    max: int | None = Field(
        None, exclude_if=left_out_if(None), ge=2, le=1000, description="With `until`: the most seeds of an arm."
    )
    start: int | None = Field(
        None,
        exclude_if=left_out_if(None),
        ge=2,
        le=MOST_RUNS,
        description="Start many, stop early: seeds of each arm that start.",
    )
    stop_at: float | None = Field(
        None, exclude_if=left_out_if(None), gt=0.0, lt=1.0, description="With `start`: share of the steps before the stop."
    )
    keep: int | None = Field(
        None,
        exclude_if=left_out_if(None),
        ge=1,
        le=MOST_RUNS,
        description="With `start`: how many continue, the best on the validation set.",
    )

    @model_validator(mode="before")
    @classmethod
    def _one_on_each_split(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("n") is None and isinstance(value.get("design"), dict | SplitDesign):
            design = value["design"]
            return value | {"n": 1} if isinstance(design, SplitDesign) or "split" in design else value
        return value

    @model_validator(mode="after")
    def _fit_together(self) -> SeedsConfig:
        if self.until is not None or self.max is not None:
            self._check_until()
        given = [name for name in ("start", "stop_at", "keep") if getattr(self, name) is not None]
        if given:
            self._check_start(given)
        if self.splits is not None:
            self._check_splits(self.splits)
        return self

    def _check_splits(self, splits: SplitsOfDesign) -> None:
        if self.first:
            raise misplaced(("first",), "the seeds on each split are counted from 0", "remove it, or change the study's seed")
        if self.until is not None:
            raise misplaced(("until",), "scores on splits of the same data give no interval to wait for", "remove one of them")
        if (total := self.n * splits.n_splits) > MOST_RUNS:
            problem = f"{splits.n_splits} splits × {self.n} = {total:,} runs of each arm; at most {MOST_RUNS:,}"
            raise misplaced(("n",), problem, "use fewer seeds or splits")

    def _check_until(self) -> None:
        if self.until is None:
            raise misplaced(("max",), "a maximum needs seeds.until", "give seeds.until, or use seeds.n instead")
        if self.max is None:
            raise misplaced(("until",), "without a maximum it might never stop", "give seeds.max")
        if self.start is not None:
            raise misplaced(("until",), "selected seeds give no interval to wait for", "remove seeds.until or seeds.start")
        if isinstance(self.design, CrossedDesign):
            raise misplaced(("until",), "a crossed design is a complete grid, so seeds cannot be added", "remove one of them")
        if self.n < MIN_FIRST_BATCH:
            raise misplaced(
                ("n",),
                f"the first interim analysis needs at least {MIN_FIRST_BATCH} seeds to estimate the spread",
                f"make it {MIN_FIRST_BATCH} or more",
            )
        if self.max <= self.n:
            raise misplaced(("max",), f"{self.max} leaves no seeds to add to the first {self.n}", "make it larger than seeds.n")

    def _check_start(self, given: list[str]) -> None:
        if self.start is None or self.stop_at is None or self.keep is None:
            missing = ", ".join(name for name in ("start", "stop_at", "keep") if name not in given)
            raise misplaced((given[0],), f"start, stop_at and keep must be given together; missing: {missing}", "give all three")
        if self.keep >= self.start:
            raise misplaced(
                ("keep",),
                f"fewer than the {self.start} seeds that start must continue, not {self.keep}",
                "reduce keep, or use seeds.n",
            )
        if self.design != "joint":
            raise misplaced(("design",), "selected seeds say nothing about the sources of variance", "use joint")
        if self.repeats:
            raise misplaced(("repeats",), "the first seed may be stopped early", "measure nondeterminism without seeds.start")

    @property
    def n_at_first(self) -> int:
        """Runs of an arm that are planned before any has finished."""
        if isinstance(self.design, CrossedDesign):
            return self.design.crossed.n
        if self.splits is not None:
            return self.n * self.splits.n_splits
        return self.n if self.start is None else self.start

    @property
    def splits(self) -> SplitsOfDesign | None:
        """How the splits of a split design are drawn; None where all runs have the same split."""
        return self.design.split if isinstance(self.design, SplitDesign) else None

    @property
    def n_at_most(self) -> int:
        """Largest number of runs that an arm can have."""
        return self.n_at_first if self.until is None or self.max is None else self.max

    @property
    def interim_sizes(self) -> tuple[int, ...]:
        """Seeds of an arm at each interim analysis of `until`; empty without it."""
        if self.until is None or self.max is None:
            return ()
        return (*range(self.n, self.max, self.until.batch), self.max)
