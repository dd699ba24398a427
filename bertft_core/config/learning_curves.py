"""A learning curve: an arm becomes one arm for each size of its training set; plain values in, plain values out."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator

from bertft_core.config.base import LARGEST, Frozen, misplaced, wrong_value

CURVE, SIZE, SUBSETS = "learning_curve", "train_examples", "train_subsets"
MIN_EXAMPLES = 2

Subsets = Literal["per_seed", "fixed"]
TrainExamples = Annotated[int, Field(ge=MIN_EXAMPLES, le=LARGEST)]


class LearningCurve(Frozen):
    """The sizes of the training set that an arm is trained with."""

    sizes: tuple[TrainExamples, ...] = Field(min_length=2, description="Numbers of training examples, one arm for each.")
    subsets: Subsets = Field("per_seed", description="Another subset for each seed, or the same one for all seeds.")

    @field_validator("sizes")
    @classmethod
    def _each_once(cls, sizes: tuple[int, ...]) -> tuple[int, ...]:
        if twice := [size for i, size in enumerate(sizes) if size in sizes[:i]]:
            raise wrong_value(f"{twice[0]} is listed twice", "list each size once")
        return tuple(sorted(sizes))


def curve_of(arm: Any) -> LearningCurve | None:
    """The learning curve of an arm's plain values; None without a valid one, which the arm itself is refused for."""
    if not isinstance(arm, Mapping) or arm.get(CURVE) is None:
        return None
    try:
        return LearningCurve.model_validate(arm[CURVE])
    except ValidationError:
        return None


def curve_arms(name: str, arm: Mapping[str, Any], curve: LearningCurve) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Name, values, and the settings that the curve gives, of the arms NAME-n060, NAME-n120, …

    Raises a pydantic error for an arm that has a grid, or gives the size itself.
    """
    if arm.get("grid") is not None:
        hint = f"remove the learning curve, and list the sizes in the grid as {SIZE}"
        raise misplaced(("arms", name, CURVE), "the arm has a grid too", hint)
    for key in (SIZE, SUBSETS):
        if arm.get(key) is not None:
            raise misplaced(("arms", name, key), "the arm has a learning curve, which gives it", "remove one of the two")
    common = {key: value for key, value in arm.items() if key != CURVE}
    digits = len(str(curve.sizes[-1]))
    for size in curve.sizes:
        own = {SIZE: size} | ({} if curve.subsets == "per_seed" else {SUBSETS: curve.subsets})
        yield f"{name}-n{size:0{digits}}", common | own, {SIZE: size}
