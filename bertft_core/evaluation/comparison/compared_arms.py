"""The sides of a comparison: each an arm of a study with the runs that count, and why the others do not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bertft_core.config.seed_settings import CrossedDesign
from bertft_core.records import ArmSummary, RunRecord, SeedScore
from bertft_core.records.comparison_record import ComparedArmRecord
from bertft_core.records.ranking import SCORED
from bertft_core.records.summary import scores_by_index
from bertft_core.storage.study_results import StudyResults

MIN_SEEDS = 3
"""Seeds of either side: the spread of two is no measure of anything."""

Triple = tuple[int, int, int]


@dataclass(frozen=True)
class ComparedArm:
    """One arm over the seeds that ended with a score; collapsed runs are among them."""

    name: str
    results: StudyResults
    arm: ArmSummary

    @property
    def seeds(self) -> dict[int, SeedScore]:
        """Seed index → its row, of the runs that ended with a score; of selected seeds the best alone, for they are no sample."""
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
    def triples(self) -> dict[Triple, int]:
        """Init, order and dropout seed → seed index."""
        return {(seed.init_seed, seed.order_seed, seed.dropout_seed): index for index, seed in self.seeds.items()}

    def scores(self, key: str) -> dict[int, float]:
        """Seed index → score of one `checkpoint/split/metric`."""
        return {index: score for index, score in scores_by_index(self.arm, key).items() if index in self.seeds}

    def record(self, index: int) -> tuple[RunRecord, Path] | None:
        """The record of a seed and its run's folder."""
        digest = self.seeds[index].run_digest
        record = self.results.records.get(digest)
        return None if record is None else (record, self.results.run_dir_of(digest))


def compared_arms_of(studies: Sequence[StudyResults], arms: Iterable[str] | None = None) -> list[ComparedArm]:
    """Every arm of every study in their order, or those of `arms`; named `study · arm` where there are several studies."""
    found = [
        ComparedArm(arm.arm if len(studies) == 1 else f"{results.study.name} · {arm.arm}", results, arm)
        for results in studies
        for arm in results.summary.arms
    ]
    wanted = None if arms is None else set(arms)
    return [side for side in found if wanted is None or side.name in wanted or side.arm.arm in wanted]


def arm_record(side: ComparedArm) -> ComparedArmRecord:
    """The side as a record, with every score of the metrics that a study can select by."""
    metrics, indices = side.results.study.head.metrics, tuple(sorted(side.seeds))
    keys = dict.fromkeys(key for seed in side.seeds.values() for key in seed.scores if key.split("/", 2)[2] in metrics)
    return ComparedArmRecord(
        name=side.name,
        study=side.results.study.name,
        arm=side.arm.arm,
        n_seeds=len(indices),
        counts=side.arm.counts,
        seeds=indices,
        collapsed=side.collapsed,
        scores={key: side.scores(key) for key in keys},
        data_fingerprint=side.results.card.fingerprint,
        cells={index: (seed.cell.init, seed.cell.order) for index in indices if (seed := side.seeds[index]).cell},
        left_out=tuple(left_out(side)),
    )


def is_crossed(side: ComparedArm) -> bool:
    """Its runs share init and order seeds with each other."""
    return isinstance(side.results.study.seeds.design, CrossedDesign)


def left_out(side: ComparedArm) -> list[str]:
    """Why runs of this side are not compared, each in a clause."""
    n, counts = side.arm.n_planned, side.arm.counts
    found = [f"{counts[status]} of {n} {side.name} runs {words}" for status, words in WORDS.items() if counts.get(status)]
    scoreless = sum(seed.status in SCORED and not seed.scores for seed in side.arm.seeds)
    if scoreless:
        found.append(f"{scoreless} of {n} {side.name} runs have no stored score")
    return found


WORDS = {
    "diverged": "diverged and have no score",
    "failed": "failed and have no score",
    "pruned": "were stopped early, so their scores are not those of whole runs",
    "missing": "have not been run yet",
}
"""Status → why such runs are left out."""


def refusal(side: ComparedArm) -> str | None:
    """Why this side cannot be compared at all, in a sentence; None when it can."""
    if side.results.study.is_selected:
        return (
            f"{side.name} is not compared: its seeds were selected (many started, the best on validation went on), "
            "and the best of many say nothing about seeds in general"
        )
    n = len(side.seeds)
    if n < MIN_SEEDS:
        because = "; ".join(left_out(side))
        return (
            f"{side.name} is not compared: {n} of its runs ended with a score, and fewer than {MIN_SEEDS} seeds cannot show "
            f"how much the score moves by itself{f' ({because})' if because else ''}"
        )
    return None
