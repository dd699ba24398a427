"""The arms of a comparison with the runs that count, and arms that cannot be compared."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from bertft_core.config.seed_settings import CrossedDesign
from bertft_core.records import RunRecord
from bertft_core.records.compared_arm_record import ComparedArmRecord
from bertft_core.records.comparison_record import Refusal
from bertft_core.records.ranking import SCORED
from bertft_core.records.summary import ArmSummary, SeedScore, scores_by_index, shared_by
from bertft_core.statistics.seeds_needed import MIN_SEEDS
from bertft_core.statistics.shared_by_runs import Splits
from bertft_core.storage.study_results import StudyResults

SeedTriple = tuple[int, int, int]
"""Init, order and dropout seed."""


@dataclass(frozen=True)
class ComparedArm:
    """One arm over the seeds that ended with a score; collapsed runs are included."""

    name: str
    results: StudyResults
    arm: ArmSummary

    @cached_property
    def seeds(self) -> dict[int, SeedScore]:
        """Seed index → its row, of the runs that ended with a score; of selected seeds only the best, for they are no sample."""
        selected = self.arm.selected
        return {
            seed.index: seed
            for seed in self.arm.seeds
            if seed.status in SCORED and seed.scores and (selected is None or seed.index == selected.best)
        }

    @property
    def collapsed(self) -> tuple[int, ...]:
        """Seed indices of the collapsed runs."""
        return tuple(sorted(index for index, seed in self.seeds.items() if seed.status == "collapsed"))

    @property
    def seed_triples(self) -> dict[SeedTriple, int]:
        """Init, order and dropout seed → seed index."""
        return {(seed.init_seed, seed.order_seed, seed.dropout_seed): index for index, seed in self.seeds.items()}

    @property
    def is_crossed(self) -> bool:
        """Its runs share init and order seeds."""
        return isinstance(self.results.study.seeds.design, CrossedDesign)

    @property
    def has_own_splits(self) -> bool:
        """Its runs have splits of their own, drawn from the same examples."""
        return self.results.study.seeds.splits is not None

    def scores(self, key: str) -> dict[int, float]:
        """Seed index → score of one `checkpoint/split/metric`."""
        seeds = self.seeds
        return {index: score for index, score in scores_by_index(self.arm, key).items() if index in seeds}

    def record(self, index: int) -> RunRecord | None:
        """The record of a seed."""
        return self.results.records.get(self.seeds[index].run_digest)


def compared_arms_of(studies: Sequence[StudyResults], names: Iterable[str] | None = None) -> list[ComparedArm]:
    """All arms of all studies in their order, or those of `names`; named `study · arm` where there are several studies."""
    found = [
        ComparedArm(arm.arm if len(studies) == 1 else f"{results.study.name} · {arm.arm}", results.of_arm(arm.arm), arm)
        for results in studies
        for arm in results.summary.arms
    ]
    chosen = None if names is None else set(names)
    return [arm for arm in found if chosen is None or arm.name in chosen or arm.arm.arm in chosen]


def arm_record(arm: ComparedArm) -> ComparedArmRecord:
    """The arm as a record, with every score of the metrics that a study can select by."""
    metrics, seeds = arm.results.study.head.metrics, arm.seeds
    keys = dict.fromkeys(key for seed in seeds.values() for key in seed.scores if key.split("/", 2)[2] in metrics)
    indices = tuple(sorted(seeds))
    shared = shared_by(list(seeds.values()))
    return ComparedArmRecord(
        name=arm.name,
        study=arm.results.study.name,
        arm=arm.arm.arm,
        n_seeds=len(indices),
        counts=arm.arm.counts,
        n_without_scores=sum(seed.status in SCORED and not seed.scores for seed in arm.arm.seeds),
        seeds=indices,
        collapsed=arm.collapsed,
        scores={key: arm.scores(key) for key in keys},
        data_fingerprint=arm.results.card.fingerprint,
        cells={index: (seed.cell.init, seed.cell.order) for index in indices if (seed := seeds[index]).cell},
        splits={index: split.split for index in indices if (split := seeds[index].split) is not None},
        test_to_train=shared.test_to_train if isinstance(shared, Splits) else None,
    )


def refusal(arm: ComparedArm) -> Refusal | None:
    """Why this arm cannot be compared with any other; None when it can."""
    if arm.results.study.is_selected:
        return Refusal(reason="selected_seeds", arm=arm.name)
    return Refusal(reason="few_seeds", arm=arm.name) if len(arm.seeds) < MIN_SEEDS else None
