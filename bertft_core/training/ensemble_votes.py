"""How many of several seeds agree, and how numbers are told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bertft_core.metrics.seed_means import Floats

Answer = dict[str, Any]
Names = Sequence[str]


class SeedOutputs(NamedTuple):
    """What one seed gave."""

    table: pa.Table
    """The predictions of the head; see `bertft_core.storage.predictions`."""
    tuned: Mapping[str, float]
    """What was tuned for this seed on the validation set, as `metrics` takes it."""


def tables_of(seeds: Sequence[SeedOutputs]) -> list[pa.Table]:
    """What every seed gave."""
    return [seed.table for seed in seeds]


def rounded(value: float | np.floating[Any]) -> float:
    """To six places: what is left then is noise, and short lines."""
    return round(float(value), 6)


def named(names: Names, values: Floats) -> dict[str, float]:
    """Name → rounded value."""
    return {name: rounded(value) for name, value in zip(names, values, strict=True)}


def votes_of(prediction: str, own: Sequence[str]) -> Answer:
    """Nothing for one seed; else the share that agrees and the count of each seed's own answer, the most frequent first."""
    if len(own) < 2:
        return {}
    return {"agreement": rounded(own.count(prediction) / len(own)), "votes": dict(Counter(own).most_common())}


def votes_of_places(places: Sequence[tuple[int, NDArray[Any]]], names: Names) -> Answer:
    """The same for an input with several places to answer: a list over its places. Each is (prediction, the seeds' own)."""
    told = [votes_of(names[chosen], [names[i] for i in own]) for chosen, own in places]
    return {key: [place[key] for place in told] for key in ("agreement", "votes") if told and told[0]}
