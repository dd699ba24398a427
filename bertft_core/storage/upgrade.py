"""Records of older versions in today's form: one small step of plain values for each version, in one table.

A step is a pure function of the values that one JSON file held. What a step cannot know stays absent. The versions of specs are
part of a run's digest: raise one when the same settings would be written, or computed, differently.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Values = dict[str, Any]
Step = Callable[[Values], Values]


def _stopping(training: Values) -> tuple[Values, list[Values]]:
    """Training settings without early stopping, and the strategy that it is since version 2."""
    rest = {name: value for name, value in training.items() if name != "early_stopping"}
    given = training.get("early_stopping")
    return rest, [] if given is None else [{"kind": "early_stopping", **given}]


def spec_1_to_2(values: Values) -> Values:
    """Early stopping is a strategy of the arm, no training setting."""
    training, more = _stopping(values["training"])
    return values | {"version": 2, "training": training, "strategies": [*values["strategies"], *more]}


def record_1_to_2(values: Values) -> Values:
    """As its spec."""
    return values | {"version": 2, "spec": spec_1_to_2(values["spec"])}


def study_1_to_2(values: Values) -> Values:
    """Early stopping is a strategy of every arm that had it or took it from the study."""
    training, of_study = _stopping(values.get("training", {}))
    arms = {}
    for name, arm in values["arms"].items():
        rest, own = _stopping(arm)
        strategies = [*rest.get("strategies", [{"kind": "full"}]), *(own or of_study)]
        arms[name] = rest | {"strategies": strategies}
    return values | {"training": training, "arms": arms}


STEPS: dict[str, tuple[Step, ...]] = {
    "StudyConfig": (study_1_to_2,),
    "RunSpec": (spec_1_to_2,),
    "RunRecord": (record_1_to_2,),
}
"""Kind of a record → its steps, from version 1 on; a kind that is not here has had one version only."""


def version_of(kind: str) -> int:
    """The version that this code writes."""
    return 1 + len(STEPS.get(kind, ()))


def upgraded(values: Values, kind: str, version: int) -> Values:
    """The values of a record that was written as this version, in today's form."""
    for step in STEPS.get(kind, ())[version - 1 :]:
        values = step(values)
    return values
