"""Strategies that would do nothing in a study's runs: known from the steps, before anything is trained."""

from __future__ import annotations

from bertft_core.config import StudyConfig, UserError
from bertft_core.config.strategy_settings import WeightAveraging
from bertft_core.planning.run_specs import plan_runs
from bertft_core.records import DatasetCard
from bertft_core.training.cost_estimate import planned_steps

OF_STEPS = frozenset({"epochs", "max_steps", "batch_size", "evaluate_every_epochs", "evaluate_every_steps"})


def refuse_idle_averages(study: StudyConfig, card: DatasetCard) -> None:
    """Raise `UserError` for an arm that averages evaluations and makes one only, whatever its search may choose."""
    for spec in plan_runs(study, card, {}, 1):
        search = study.arms[spec.arm].search
        last = max((strategy.last for strategy in spec.strategies if isinstance(strategy, WeightAveraging)), default=1)
        if last > 1 and len(planned_steps(spec, card).evaluation_steps) == 1 and not (search and OF_STEPS & search.space.keys()):
            raise UserError(
                f"arms.{spec.arm}.strategies: swa has nothing to average",
                found=f"last: {last} evaluations, and a run makes one",
                expected="at least two evaluations in a run",
                hint="train for more epochs, make training.evaluate_every_epochs (or _steps) smaller, or take swa out",
            )
