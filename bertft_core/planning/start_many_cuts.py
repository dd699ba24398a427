"""Whether seeds that stop early can be ranked where they stop: known from the steps, before anything is trained."""

from __future__ import annotations

from bertft_core.config import StudyConfig, UserError
from bertft_core.planning.run_specs import Chosen, plan_runs
from bertft_core.records import DatasetCard
from bertft_core.records.selection import cut_step
from bertft_core.training.cost_estimate import planned_steps


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
                found=f"{stop_at:g} of {plan.n_steps} steps, which is step {step}",
                expected=f"a share of the steps that ends before step {plan.n_steps}",
                hint="make seeds.stop_at smaller, or train for more steps",
            )
        if first > step:
            raise UserError(
                f"seeds.stop_at: seeds of '{spec.arm}' would stop before they are validated, so none can be called better",
                found=f"they stop after step {step} of {plan.n_steps}, and are first validated after step {first}",
                expected=f"a validation after step {step} or earlier",
                hint="make training.evaluate_every_epochs (or _steps) smaller, or seeds.stop_at larger",
            )
