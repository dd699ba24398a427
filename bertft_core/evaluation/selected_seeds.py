"""The best of many seeds: which started, which went on, which is the best, and what it cost."""

from collections.abc import Sequence

from bertft_core.planning.wanted_runs import kept_starters, starters
from bertft_core.records import RunSpec, SeedScore
from bertft_core.records.ranking import SCORED, best_first
from bertft_core.records.seed_design_records import SelectedSeed, SelectedSeeds
from bertft_core.records.selection import ranked
from bertft_core.statistics.early_stopping_of_seeds import cost
from bertft_core.storage.study_results import StudyResults


def selected_seeds_of(results: StudyResults, arm: str, specs: list[RunSpec], seeds: Sequence[SeedScore]) -> SelectedSeeds | None:
    """Which seeds of an arm were selected; None in a study that selects none. `specs` and `seeds` are the arm's.

    The best of those that went on has the best validation score over all its steps; of equals, the lower index wins.
    """
    study, records = results.study, results.records
    start, stop_at, keep = study.seeds.start, study.seeds.stop_at, study.seeds.keep
    if start is None or stop_at is None or keep is None:
        return None
    went_on = {one.digest for one in kept_starters(study, specs, arm, records)}
    ended = {digest: records[digest] for digest in went_on if digest in records and records[digest].status in SCORED}
    winners = best_first(study, ended.values())
    best = next((seed.index for seed in seeds if winners and seed.run_digest == winners[0].digest), None)
    found = tuple(
        SelectedSeed(
            index=one.seed_index,
            score_at_cut=one.score,
            kept=one.digest in went_on,
            best_score=ended[one.digest].best_score if one.digest in ended else None,
        )
        for one in ranked(starters(specs, arm, study, records), study.direction)
    )
    return SelectedSeeds(start=start, stop_at=stop_at, keep=keep, seeds=found, best=best, cost=cost(start, stop_at, keep))


def only_the_best(seeds: Sequence[SeedScore], selected: SelectedSeeds | None) -> list[SeedScore]:
    """The seeds behind the arm's rows: all of them, or only the best one of those that were selected."""
    return [seed for seed in seeds if selected is None or seed.index == selected.best]
