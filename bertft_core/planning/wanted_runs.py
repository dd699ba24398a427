"""Which report runs a study has as far as its records tell: so many, more until an interval is narrow, or the best of many."""

from __future__ import annotations

from collections.abc import Mapping

from bertft_core.config.study_config import StudyConfig
from bertft_core.planning.adaptive import n_seeds
from bertft_core.planning.run_specs import Chosen, plan_runs
from bertft_core.records import DatasetCard, RunRecord, RunSpec
from bertft_core.records.selection import Starter, answers, kept, starter

Records = Mapping[str, RunRecord]
"""By run digest."""


def planned_runs(study: StudyConfig, card: DatasetCard, chosen: Chosen, records: Records) -> list[RunSpec]:
    """The report runs that are wanted now. Train those without an answer and ask again, until every one has its answer.

    A pure function of the records: a study that was killed decides as one that was not.
    """
    specs = plan_runs(study, card, chosen, n_seeds(study, card, chosen, records))
    if not study.is_selected:
        return specs
    go_on = {arm: {one.digest for one in kept_starters(study, specs, arm, records)} for arm in study.arms}
    return [_to_the_end(spec, study) if spec.digest in go_on[spec.arm] else spec for spec in specs]


def unanswered(planned: list[RunSpec], records: Records) -> list[RunSpec]:
    """The runs that have no record yet, or none that goes as far as they are to go."""
    return [spec for spec in planned if spec.digest not in records or not answers(records[spec.digest], spec)]


def starters(specs: list[RunSpec], arm: str, study: StudyConfig, records: Records) -> list[Starter]:
    """Where every seed of an arm stood at the cut; empty while one of them is on its way there."""
    stop_at = study.seeds.stop_at
    if stop_at is None:
        return []
    of_arm = [spec for spec in specs if spec.arm == arm]
    found = [records[spec.digest] for spec in of_arm if spec.digest in records]
    if len(found) < len(of_arm):
        return []
    own = {spec.digest: spec for spec in of_arm}
    return [starter(record, stop_at, study.direction)._replace(seed_index=own[record.digest].index) for record in found]


def kept_starters(study: StudyConfig, specs: list[RunSpec], arm: str, records: Records) -> list[Starter]:
    """The seeds of an arm that go on, the best first; empty while that is not known."""
    return kept(starters(specs, arm, study, records), study.seeds.keep or 0, study.direction)


def _to_the_end(spec: RunSpec, study: StudyConfig) -> RunSpec:
    return spec.model_copy(update={"stop_at": None, "kept_of": study.seeds.start})
