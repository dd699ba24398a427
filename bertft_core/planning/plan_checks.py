"""Plans that cannot work, known from the number of steps before anything is trained."""

import math
from collections.abc import Iterator

from bertft_core.config import StudyConfig, UserError
from bertft_core.config.search_space import Settings
from bertft_core.config.strategy_settings import GradualUnfreezing, WeightAveraging
from bertft_core.planning.run_specs import Chosen, plan_runs
from bertft_core.records import DatasetCard, RunSpec
from bertft_core.records.selection import cut_step
from bertft_core.training.cost_estimate import planned_steps

OF_STEPS = frozenset({"epochs", "max_steps", "batch_size", "evaluate_every_epochs", "evaluate_every_steps"})
"""Settings that change the steps of a run, or when it is evaluated."""

MAX_STEPS = 10_000_000
MAX_VALIDATIONS = 100_000


def refuse_unusable_plan(study: StudyConfig, card: DatasetCard) -> None:
    """Raise `UserError` for an arm that never ends, whose seeds stop too early, that averages no weights or unfreezes nothing."""
    refuse_endless_runs(study, card)
    refuse_blind_cuts(study, card, {})
    refuse_idle_averages(study, card)
    refuse_idle_unfreezing(study, card)


def refuse_endless_runs(study: StudyConfig, card: DatasetCard) -> None:
    """Raise `UserError` for more steps or validations than any run has, before something makes a list of them."""
    for spec, _ in _tried_runs(study, card):
        plan = planned_steps(spec, card)
        n_validations = plan.n_steps / plan.steps_per_evaluation
        if plan.n_steps > MAX_STEPS or n_validations > MAX_VALIDATIONS:
            raise UserError(
                f"a run of '{spec.arm}' would never end",
                code="plan.endless-run",
                found=f"{plan.n_steps} steps and {n_validations:.0f} validations",
                expected=f"at most {MAX_STEPS} steps and {MAX_VALIDATIONS} validations",
                hint="make training.epochs (or max_steps) smaller, or training.evaluate_every_epochs (or _steps) larger",
            )


def _tried_runs(study: StudyConfig, card: DatasetCard) -> Iterator[tuple[RunSpec, Settings]]:
    """A run of every arm as it is, and as its search could make it, with these settings."""
    for arm, settings in study.tried_arms():
        alone = study.model_copy(update={"arms": {arm: study.arms[arm]}})
        yield plan_runs(alone, card, {arm: settings}, 1)[0], settings


def refuse_blind_cuts(study: StudyConfig, card: DatasetCard, chosen: Chosen) -> None:
    """Raise `UserError` for an arm whose seeds would stop before their first validation, or only when they are done."""
    stop_at = study.seeds.stop_at
    if stop_at is None:
        return
    for spec in plan_runs(study, card, chosen, 1):
        plan = planned_steps(spec, card)
        step, first = cut_step(stop_at, plan.n_steps), plan.evaluation_steps[0]
        if step >= plan.n_steps:
            raise UserError(
                f"seeds.stop_at: seeds of '{spec.arm}' would not stop before their end",
                code="stop-at.never-stops",
                found=f"{stop_at:g} of {plan.n_steps} steps, which is step {step}",
                expected=f"a share of the steps that ends before step {plan.n_steps}",
                hint="make seeds.stop_at smaller, or train for more steps",
            )
        if first > step:
            raise UserError(
                f"seeds.stop_at: seeds of '{spec.arm}' would stop before their first validation, so they cannot be ranked",
                code="stop-at.before-validation",
                found=f"they stop after step {step} of {plan.n_steps}, and are first validated after step {first}",
                expected=f"a validation after step {step} or earlier",
                hint="make training.evaluate_every_epochs (or _steps) smaller, or seeds.stop_at larger",
            )


def refuse_idle_averages(study: StudyConfig, card: DatasetCard) -> None:
    """Raise `UserError` for an arm that averages the weights of several evaluations but makes only one.

    Where a search may choose the steps, only swa that it chooses too is checked.
    """
    for spec, settings in _tried_runs(study, card):
        last = max((strategy.last for strategy in spec.strategies if isinstance(strategy, WeightAveraging)), default=1)
        if last > 1 and len(planned_steps(spec, card).evaluation_steps) == 1 and _is_known(study, spec.arm, settings, "swa"):
            raise UserError(
                f"arms.{spec.arm}.strategies: swa has nothing to average",
                code="strategy.nothing-to-average",
                found=f"last: {last} evaluations, but a run makes only one",
                expected="at least two evaluations in a run",
                hint="train for more epochs, make training.evaluate_every_epochs (or _steps) smaller, or remove swa",
            )


def refuse_idle_unfreezing(study: StudyConfig, card: DatasetCard) -> None:
    """Raise `UserError` for an arm that unfreezes its first layer only after its last step: it would train the head alone.

    Where a search may choose the steps, only gradual_unfreezing that it chooses too is checked.
    """
    for spec, settings in _tried_runs(study, card):
        unfreezing = next((strategy for strategy in spec.strategies if isinstance(strategy, GradualUnfreezing)), None)
        if unfreezing is None or not _is_known(study, spec.arm, settings, "gradual_unfreezing"):
            continue
        plan = planned_steps(spec, card)
        n_steps = plan.n_steps
        first = unfreezing.n_steps(math.ceil(plan.n_examples / spec.training.batch_size))  # before oversampling
        if first >= n_steps:
            raise UserError(
                f"arms.{spec.arm}.strategies: gradual_unfreezing never unfreezes anything",
                code="strategy.nothing-to-unfreeze",
                found=f"the first layers would be unfrozen after step {first}; a run ends after step {n_steps}",
                expected=f"every_steps below {n_steps}, or a part of the epochs in every_epochs",
                hint="make every_steps (or every_epochs) smaller, train for longer, or use feature_extraction",
            )


def _is_known(study: StudyConfig, arm: str, settings: Settings, kind: str) -> bool:
    """Whether these are the steps that a strategy has: the search leaves them as they are, or chooses the strategy as well."""
    search = study.arms[arm].search
    chosen = any(name.startswith(f"strategies.{kind}") for name in settings)
    return chosen or search is None or not OF_STEPS & search.space.keys()
