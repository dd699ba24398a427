"""Which runs a study wants, from its records alone: a fixed number, more until an interval is narrow, or the best of many.

A study that was killed therefore decides as one that was not. Train what is unanswered and ask again, until nothing is.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import NamedTuple

from bertft_core.config.study_config import StudyConfig
from bertft_core.planning.run_specs import Chosen, plan_repeats, plan_runs
from bertft_core.records import DatasetCard, RunRecord, RunSpec
from bertft_core.records.selection import Starter, answers, kept, starter

Records = Mapping[str, RunRecord]
"""By run digest."""


class WantedRuns(NamedTuple):
    """The runs that a study is to have, as far as its records tell."""

    planned: list[RunSpec]
    """The report runs, seed by seed."""
    repeats: list[RunSpec]
    """Repeats of each arm's first seed."""

    def unanswered(self, records: Records) -> list[RunSpec]:
        """The runs that have no record yet, or one that stopped earlier than it should have."""
        every = (*self.planned, *self.repeats)
        return [spec for spec in every if spec.digest not in records or not answers(records[spec.digest], spec)]

    def of_arms(self, arms: Container[str]) -> WantedRuns:
        """Those of some arms."""
        planned, repeats = ([spec for spec in specs if spec.arm in arms] for specs in self)
        return WantedRuns(planned, repeats)


def wanted_runs(study: StudyConfig, card: DatasetCard, chosen: Chosen, records: Records) -> WantedRuns:
    """The report runs and repeats of all arms; an arm whose search has not ended is planned with its own setting."""
    return WantedRuns(planned_runs(study, card, chosen, records), plan_repeats(study, card, chosen))


def decided_arms(study: StudyConfig, chosen: Chosen) -> list[str]:
    """The arms whose setting is known: they have no search, or it has ended."""
    return [name for name, arm in study.arms.items() if arm.search is None or name in chosen]


def planned_runs(study: StudyConfig, card: DatasetCard, chosen: Chosen, records: Records) -> list[RunSpec]:
    """The report runs alone."""
    specs = plan_runs(study, card, chosen, _n_seeds(study, card, chosen, records))
    if not study.is_selected:
        return specs
    go_on = {arm: {one.digest for one in kept_starters(study, specs, arm, records)} for arm in study.arms}
    to_the_end = {"stop_at": None, "kept_of": study.seeds.start}
    return [spec.model_copy(update=to_the_end) if spec.digest in go_on[spec.arm] else spec for spec in specs]


def _n_seeds(study: StudyConfig, card: DatasetCard, chosen: Chosen, records: Records) -> int:
    if study.seeds.until is None:
        return study.seeds.n_at_first
    from bertft_core.planning.adaptive import n_seeds  # its intervals load numpy and scipy

    return n_seeds(study, card, chosen, records)


def starters(specs: list[RunSpec], arm: str, study: StudyConfig, records: Records) -> list[Starter]:
    """Where every seed of an arm stood at the cut; empty until all of them have reached it."""
    stop_at = study.seeds.stop_at
    if stop_at is None:
        return []
    of_arm = {spec.digest: spec for spec in specs if spec.arm == arm}
    if not of_arm.keys() <= records.keys():
        return []
    return [starter(records[digest], stop_at, study.direction)._replace(seed_index=spec.index) for digest, spec in of_arm.items()]


def kept_starters(study: StudyConfig, specs: list[RunSpec], arm: str, records: Records) -> list[Starter]:
    """The seeds of an arm that go on, the best first; empty while that is not known."""
    return kept(starters(specs, arm, study, records), study.seeds.keep or 0, study.direction)
