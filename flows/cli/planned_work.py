"""What `bertft run` would do for a study: the runs of each arm and stage, their time and their disk."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from bertft_core.config import StudyConfig
from bertft_core.library.study_on_disk import StudyOnDisk
from bertft_core.planning.plan_checks import refuse_unusable_plan
from bertft_core.planning.run_specs import plan_runs, plan_trial
from bertft_core.planning.typical_trials import typical_settings
from bertft_core.planning.wanted_runs import decided_arms, wanted_runs
from bertft_core.records import DatasetCard, RunRecord, RunSpec
from bertft_core.records.selection import answers
from bertft_core.storage.study_dir import StudyDir
from bertft_core.training.compute_choice import decided_here
from bertft_core.training.cost_estimate import CostEstimate, CostEstimator
from bertft_core.training.devices import slot_environments
from bertft_core.training.machine_needs import MachineFit
from bertft_core.training.trial_step import prepare_in_passing
from tasks.same_encoder import refuse_other_model, refuse_other_study

FIXED_SECONDS = 25.0
"""Start of the embedded server and the workers, evaluation, report."""


class Part(NamedTuple):
    """The runs of one arm in one stage."""

    stage: str
    arm: str
    n_todo: int
    n_done: int
    seconds: float
    """Of one worker."""
    seconds_each: float | None
    """Mean of a run; None where there is none to train."""
    n_bytes: int
    """Of their models, before any is deleted."""
    measured: bool
    """The time is that of earlier runs here; else it is calculated."""


@dataclass(frozen=True)
class Plan:
    """All of it."""

    study: StudyConfig
    """With what this machine decides."""
    card: DatasetCard
    on_disk: StudyOnDisk
    fit: MachineFit
    home: Path
    n_slots: int
    parts: tuple[Part, ...]

    @property
    def training_seconds(self) -> float:
        """Spread over the slots."""
        return sum(part.seconds for part in self.parts) / self.n_slots

    @property
    def n_bytes(self) -> int:
        """The models take at most."""
        return sum(part.n_bytes for part in self.parts)

    @property
    def free_bytes(self) -> int:
        """Of the disk that the home is on."""
        return shutil.disk_usage(self.home).free

    @property
    def searched(self) -> list[str]:
        """Arms whose search is not over."""
        return [part.arm for part in self.parts if part.stage == "search" and part.n_todo]

    def values(self) -> dict[str, Any]:
        """For programs."""
        training = self.training_seconds
        return {
            "study": self.study.name,
            "home": str(self.home),
            "data": self.card.name,
            "n_slots": self.n_slots,
            "seconds": training + FIXED_SECONDS if training else 0.0,
            "n_bytes": self.n_bytes,
            "free_bytes": self.free_bytes,
            "parts": [part._asdict() for part in self.parts],
            "refused": [f"{each.problem} ({each.found})" for each in self.fit.refusals],
            "remarks": list(self.fit.remarks),
        }


def plan_of(study: StudyConfig, where: Path) -> Plan:
    """Prepare the data and count. Raises `UserError` for what a run would refuse, also for results of another encoder."""
    card = prepare_in_passing(study, home_dir=where)
    study, fit = decided_here(study, StudyDir(where, study.name))
    on_disk = StudyOnDisk(study, StudyDir(where, study.name), card)
    estimators, n_slots = _Estimators(card, on_disk), len(slot_environments(study.execution))
    refuse_unusable_plan(study, card)
    refuse_other_study(on_disk.dir, card)
    parts = (_part(estimators, *each) for each in _parts(study, card, on_disk))
    return Plan(study, card, on_disk, fit, where, n_slots, tuple(parts))


def _part(estimators: "_Estimators", stage: str, arm: str, todo: list[RunSpec], times: float, n_done: int) -> Part:
    costs = [estimators.of(spec) for spec in todo]
    seconds = sum(cost.seconds for cost in costs)
    return Part(
        stage=stage,
        arm=arm,
        n_todo=round(times * len(todo)),
        n_done=n_done,
        seconds=times * seconds,
        seconds_each=seconds / len(costs) if costs else None,
        n_bytes=round(times * sum(cost.model_bytes for cost in costs)),
        measured=all(cost.measured for cost in costs),
    )


class _Estimators:
    """One for each encoder and data that runs have."""

    def __init__(self, card: DatasetCard, on_disk: StudyOnDisk) -> None:
        self._card, self._earlier = card, on_disk.records.values()
        self._made: dict[tuple[str, str], CostEstimator] = {}

    def of(self, spec: RunSpec) -> CostEstimate:
        """The cost of a run."""
        key = (spec.data_fingerprint, spec.encoder.weights_sha256)
        if key not in self._made:
            self._made[key] = CostEstimator(self._card.of_run(spec), self._earlier)
        return self._made[key].of(spec)


def _parts(study: StudyConfig, card: DatasetCard, on_disk: StudyOnDisk) -> list[tuple[str, str, list[RunSpec], float, int]]:
    """Stage, arm, runs to train, how often each is trained (with other values), and number of runs that are done.

    What a search will try and choose is not known: its runs, and those with its choice, are counted as ones with settings
    spread over its space.
    """
    parts: list[tuple[str, str, list[RunSpec], float, int]] = []
    for name, arm in study.arms.items():
        if arm.search is not None:
            n_runs = arm.search.n_trials * arm.search.n_seeds
            n_done = sum(_is_ours(record, card.of_arm(name), on_disk) for record in on_disk.search_runs(name))
            n_todo = 0 if name in on_disk.sweeps else max(0, n_runs - n_done)
            like = [plan_trial(study, card, name, each, trial=0)[0] for each in typical_settings(arm.search.space)]
            parts.append(("search", name, like if n_todo else [], n_todo / len(like), n_done))
    wanted = wanted_runs(study, card, on_disk.chosen, on_disk.records)
    decided = decided_arms(study, on_disk.chosen)
    for name, arm in study.arms.items():
        for stage, specs in zip(("seeds", "repeats"), wanted.of_arms([name]), strict=True):
            todo = [spec for spec in specs if not (name in decided and _is_done(spec, card.of_arm(name), on_disk))]
            if todo and arm.search is not None and name not in decided:
                chosen = [{**on_disk.chosen, name: each} for each in typical_settings(arm.search.space)]
                like = [spec for each in chosen for spec in plan_runs(study, card, each, 1) if spec.arm == name]
                parts.append((stage, name, like, len(todo) / len(like), 0))
            elif specs or stage == "seeds":
                parts.append((stage, name, todo, 1.0, len(specs) - len(todo)))
    return parts


def _is_done(spec: RunSpec, card: DatasetCard, on_disk: StudyOnDisk) -> bool:
    record = on_disk.records.get(spec.digest)
    return record is not None and record.status != "failed" and answers(record, spec) and _is_ours(record, card, on_disk)


def _is_ours(record: RunRecord, card: DatasetCard, on_disk: StudyOnDisk) -> bool:
    """True; a run of the same weights with other settings of the encoder is refused, as by `bertft run`, with a `UserError`."""
    refuse_other_model(record.spec.encoder, card, on_disk.dir.path)
    return True
