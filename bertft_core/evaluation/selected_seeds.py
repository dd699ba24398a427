"""The best of many seeds: which started, which went on, which is the best, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence

from bertft_core.config.study_config import StudyConfig
from bertft_core.planning.wanted_runs import Records, kept_starters, starters
from bertft_core.records import RunRecord, RunSpec, SeedScore
from bertft_core.records.ranking import SCORED, best_first
from bertft_core.records.seed_design_records import SelectedSeed, SelectedSeeds
from bertft_core.records.selection import ranked
from bertft_core.statistics.early_stopping_of_seeds import cost


def selected_seeds_of(
    study: StudyConfig, arm: str, specs: Sequence[RunSpec], records: Records, seeds: Sequence[SeedScore], key: str
) -> SelectedSeeds | None:
    """Who was selected in an arm; None in a study that selects none. `specs` and `seeds` are the arm's; `key` names the headline.

    The best of those that went on is the one with the best validation score over all its steps, of equals the lower index.
    """
    start, stop_at, keep = study.seeds.start, study.seeds.stop_at, study.seeds.keep
    if start is None or stop_at is None or keep is None:
        return None
    by_rank = ranked(starters(list(specs), arm, study, records), study.direction)
    went_on = {one.digest for one in kept_starters(study, list(specs), arm, records)}
    ended = {digest: records[digest] for digest in went_on if digest in records and records[digest].status in SCORED}
    winners = best_first(study, ended.values())
    best = next((s for s in seeds if winners and s.run_digest == winners[0].digest), None)
    return SelectedSeeds(
        start=start,
        stop_at=stop_at,
        keep=keep,
        seeds=tuple(
            SelectedSeed(
                index=one.seed_index,
                score_at_cut=one.score,
                kept=one.digest in went_on,
                best_score=_best_score(ended.get(one.digest)),
            )
            for one in by_rank
        ),
        best=None if best is None else best.index,
        cost=cost(start, stop_at, keep),
        sentence=_sentence(study, arm, best, len(went_on), key),
    )


def _best_score(record: RunRecord | None) -> float | None:
    return None if record is None else record.best_score


def _sentence(study: StudyConfig, arm: str, best: SeedScore | None, n_kept: int, key: str) -> str:
    start, stop_at, keep = study.seeds.start, study.seeds.stop_at, study.seeds.keep
    assert start is not None
    assert stop_at is not None
    assert keep is not None
    cut = f"after {100 * stop_at:g} % of the steps"
    how = f"{start} seeds of {arm} started, and the best {n_kept} of them on validation {cut} went on"
    price = f"{cost(start, stop_at, keep):g} whole runs"
    if best is None or key not in best.scores:
        return f"{how}; none of them has a score; it cost {price}"
    _, split, metric = key.split("/", 2)
    told = f"the best of {start} is seed {best.index} with {best.scores[key]:.3f} ({metric}, {split}) for {price}"
    return f"{how}; {told}; selected seeds are no sample: no sd, no interval and no comparison is made of them"


def only_the_best(seeds: Sequence[SeedScore], selected: SelectedSeeds | None) -> list[SeedScore]:
    """The seeds that the arm's rows are made of: all of them, or the best one of those that were selected."""
    return [seed for seed in seeds if selected is None or seed.index == selected.best]
