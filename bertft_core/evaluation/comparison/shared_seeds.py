"""What is left of a pair's numbers when runs of a side share seeds: no test, no interval that takes them for independent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bertft_core.records.comparison_record import Disagreement, IntervalEstimate

UNTESTED: dict[str, Any] = {"crossed": True, "p_value": None, "p_of": None, "tests": (), "stability": (), "aso": None}
WITHOUT_INTERVAL: dict[str, Any] = {"both": None, "seeds": None, "seeds_share": None, "source": None}


def of_shared_seeds(numbers: Mapping[str, Any], *, has_interval: bool) -> dict[str, Any]:
    """The fields of a pair of a crossed design; `has_interval` where its differences over seeds have one that knows of it.

    Nothing is claimed: t, ranks, permutations, equal spread, stochastic order and McNemar's test over seeds all take runs for
    independent, as do the intervals of P(A > B) and of the ratio of sds. What describes the runs that there are stays.
    """
    kept = dict(numbers) | UNTESTED | ({} if has_interval else WITHOUT_INTERVAL)
    for name in ("superiority", "sd_ratio"):
        found: IntervalEstimate | None = numbers[name]
        kept[name] = None if found is None else IntervalEstimate(value=found.value)
    told: Disagreement | None = numbers["disagreement"]
    kept["disagreement"] = None if told is None else told.model_copy(update={"statistic": None, "p": None})
    return kept
