"""Which models of a study stay on disk: pure rules over its config, its runs and their sizes."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from bertft_core.config.study_config import StudyConfig
from bertft_core.records.ranking import best_first, ranked_runs
from bertft_core.records.run_record import RunRecord
from bertft_core.records.run_spec import RunSpec

GIB = 2**30


def kept_digests(study: StudyConfig, planned: Iterable[RunSpec], records: Mapping[str, RunRecord]) -> set[str]:
    """Which report runs keep their model: all of them, none, or of each arm the one with the best validation score."""
    if study.retention.checkpoints == "none":
        return set()
    ranked = ranked_runs(study, planned, records).values()
    n_kept = None if study.retention.checkpoints == "all" else 1
    return {record.digest for runs in ranked for record in runs[:n_kept]}


def over_budget(study: StudyConfig, records: Iterable[RunRecord], sizes: Mapping[str, int]) -> list[str]:
    """The runs whose models must go so that the others fit into `retention.budget_gib`, in the order in which they go.

    `sizes` is run digest → bytes of a model that is there. The worst validation score goes first, runs without one before it;
    the best run of each arm never goes.
    """
    if study.retention.budget_gib is None:
        return []
    ended = [record for record in records if record.digest in sizes]
    ranked = best_first(study, ended)
    arms = {record.spec.arm for record in reversed(ranked)}
    best = {next(record.digest for record in ranked if record.spec.arm == arm) for arm in arms}
    without_score = [record.digest for record in ended if record not in ranked]
    in_order = without_score + [record.digest for record in reversed(ranked) if record.digest not in best]
    total, going = sum(sizes.values()), []
    for digest in in_order:
        if total <= study.retention.budget_gib * GIB:
            break
        going.append(digest)
        total -= sizes[digest]
    return going


def folder_bytes(path: Path) -> int:
    """Bytes of the files in a folder, or of a file; 0 when it is not there."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
