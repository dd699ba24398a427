"""Which models of a study stay on disk: pure rules over its config, its runs and their sizes."""

import os
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


def over_budget(study: StudyConfig, arms: Mapping[str, Iterable[RunRecord]], sizes: Mapping[str, int]) -> list[str]:
    """The runs whose models must go so that the others fit into `retention.budget_gib`, in the order in which they go.

    `arms` is arm → its runs, as the study plans them: a record may name an arm as it was called before. `sizes` is run digest →
    bytes of a model that is there. The worst validation score goes first, runs without one before it; the best run of each arm
    never goes.
    """
    if study.retention.budget_gib is None:
        return []
    ended = {arm: [record for record in records if record.digest in sizes] for arm, records in arms.items()}
    best = {ranked[0].digest for records in ended.values() if (ranked := best_first(study, records))}
    every = {record.digest: record for records in ended.values() for record in records}
    ranked_digests = [record.digest for record in best_first(study, every.values())]
    in_order = [digest for digest in every if digest not in ranked_digests]
    in_order += [digest for digest in reversed(ranked_digests) if digest not in best]
    total, going = sum(sizes.values()), []
    for digest in in_order:
        if total <= study.retention.budget_gib * GIB:
            break
        going.append(digest)
        total -= sizes[digest]
    return going


def folder_bytes(path: Path) -> int:
    """Bytes of the files in a folder, or of a file; what is not there, or goes while they are counted, has none."""
    files = [path] if path.is_file() else [Path(folder, name) for folder, _, names in os.walk(path) for name in names]
    return sum(map(_bytes_of, files))


def _bytes_of(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
