"""Why a result is missing: a reason and its numbers; `report/prose/missing_text.py` turns them into words."""

from typing import Literal

from bertft_core.config.base import Frozen

Reason = Literal[
    "seeds selected",
    "no complete grid",
    "splits share examples",
    "one seed on each split",
    "no stored predictions",
    "too few predictions",
    "collapsed",
    "too few scores",
    "different examples",
    "no categories",
    "dependent trials",
    "too few curves",
    "different steps",
    "one evaluation",
    "metric not evaluated",
    "no model",
    "probing failed",
    "not probed",
    "no masked-LM class",
    "no masked-LM head",
    "masked-LM head not supported",
    "too few texts",
    "gradients not watched",
    "too few layers",
    "too few losses",
    "no probabilities",
    "no single label",
    "crf",
    "no errors",
    "predictions gone",
    "no out-of-domain set",
    "no score",
    "older version",
]


class NotComputed(Frozen):
    """Why one result could not be computed."""

    reason: Reason
    arm: str | None = None
    """Absent where the record around it names the arm, or where the reason holds for all arms."""
    n: int | None = None
    """How many there are of what is needed."""
    needed: int | None = None
    detail: str | None = None
    """What the reason is about (a split, a metric, a kind of head), or the text of an error or of an older version."""
