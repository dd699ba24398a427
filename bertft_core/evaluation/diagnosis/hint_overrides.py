"""Overrides of a study that carry out a hint: what `--set` accepts, and what changes the study."""

import math
from typing import Any

from bertft_core.config import UserError, parse_study
from bertft_core.config.search_space import Choices, Range
from bertft_core.config.study_config import StudyConfig
from bertft_core.evaluation.diagnosis.stored_study import ENOUGH_STEPS, planned_steps, training_of
from bertft_core.recipes.study_yaml import inline
from bertft_core.storage.study_results import StudyResults


def accepted(study: StudyConfig, *overrides: str) -> bool:
    """The overrides give a valid study that asks for something else."""
    try:
        return parse_study(study.model_dump(mode="json"), overrides) != study
    except UserError:
        return False


def of_training(results: StudyResults, arm: str, name: str, value: float) -> str:
    """Set a training setting of an arm; where it is searched, search from this value on, away from the one that was used."""
    search, used = results.study.arms[arm].search, getattr(training_of(results, arm), name)
    if search is None or name not in search.space:
        return f"arms.{arm}.{name}={inline(value)}"
    return f"arms.{arm}.search.space.{name}={inline(_beyond(search.space[name], value, up=value > used))}"


def _beyond(space: Range | Choices, value: float, *, up: bool) -> dict[str, Any]:
    """The part of a space from a value on, or a factor of two where the space ends before it."""
    further = 2 * value if up else value / 2
    if isinstance(space, Choices):
        numbers = [choice for choice in space.choices if not isinstance(choice, str)]
        kept = [choice for choice in numbers if (choice > value if up else choice < value)] or [further]
        return {"choices": sorted([value, *kept])}
    low, high = (value, max(space.high, value)) if up else (min(space.low, value), value)
    if low == high:
        low, high = sorted((value, further))
    return {"low": low, "high": high} | {name: True for name in ("log", "integer") if getattr(space, name)}


def rounded(value: float) -> float:
    """A value for an override, with two digits: 2e-5, 1.5e-4."""
    return float(f"{value:.2g}")


def train_longer(results: StudyResults, arm: str) -> str:
    """The override that trains an arm twice as long, or for `ENOUGH_STEPS` where that is more."""
    training, n_steps = training_of(results, arm), planned_steps(results, arm)
    factor = max(2, math.ceil(ENOUGH_STEPS / n_steps)) if n_steps else 2
    if training.max_steps is not None:
        return of_training(results, arm, "max_steps", factor * training.max_steps)
    return of_training(results, arm, "epochs", factor * (training.epochs or 1))


def n_seeds(study: StudyConfig, n: int) -> tuple[str, ...]:
    """`n` seeds of each arm; with `seeds.until`, `n` before the first interim analysis. For joint designs and `only`."""
    seeds = study.seeds
    more = seeds.until is not None and seeds.max is not None and seeds.max <= n
    return (f"seeds.n={n}", f"seeds.max={n + seeds.until.batch}") if more and seeds.until else (f"seeds.n={n}",)
