"""The variance floor: what is left between runs when every seed is fixed. On a CPU it must be nothing at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bertft_core.config.study_config import StudyConfig
from bertft_core.evaluation.run_scores import scores_of
from bertft_core.planning.run_specs import plan_repeats
from bertft_core.records import DatasetCard, Nondeterminism, RunRecord
from bertft_core.statistics.dispersion import sample_sd


def nondeterminism_of(
    study: StudyConfig,
    card: DatasetCard,
    chosen: Mapping[str, Mapping[str, Any]],
    key: str,
    records: Mapping[str, RunRecord],
    run_dir_of: Callable[[str], Path],
) -> tuple[Nondeterminism, ...]:
    """For each arm the repeats of its first seed that there are, compared by weights and by `key` (checkpoint/split/metric)."""
    if not study.seeds.repeats:
        return ()
    groups: dict[str, list[RunRecord]] = {}
    for spec in plan_repeats(study, card, chosen, with_first=True):
        if spec.digest in records:
            groups.setdefault(spec.arm, []).append(records[spec.digest])
    floors = (_floor(arm, group, key, run_dir_of) for arm, group in groups.items() if len(group) > 1)
    return tuple(floors)


def _floor(arm: str, group: list[RunRecord], key: str, run_dir_of: Callable[[str], Path]) -> Nondeterminism:
    ended = [record for record in group if record.weights_sha256 is not None]
    scores = [found[key] for record in ended if key in (found := scores_of(record, run_dir_of(record.digest)))]
    bitwise = len(ended) > 1 and len({record.weights_sha256 for record in ended}) == 1
    gap = float(np.ptp(scores)) if scores else None
    _, split, metric = key.split("/", 2)
    without = len(group) - len(ended)
    sentence = _sentence(arm, ended, bitwise, gap, f"{metric}, {split}")
    return Nondeterminism(
        arm=arm,
        n=len(ended),
        bitwise=bitwise,
        largest_difference=gap,
        sd=sample_sd(scores),
        sentence=f"{sentence} ({without} more ended without weights)" if without else sentence,
    )


def _sentence(arm: str, ended: list[RunRecord], bitwise: bool, gap: float | None, what: str) -> str:
    device = next((record.environment.device for record in ended if record.environment is not None), "this machine")
    runs = f"{len(ended)} runs of {arm} with every seed the same on {device}"
    if len(ended) < 2:
        return f"fewer than two runs of {arm} with every seed the same ended with weights: there is nothing to compare"
    if bitwise:
        return f"{runs} end with the same weights to the last bit: what differs between seeds comes from the seeds"
    if gap is None:
        return f"{runs} end with different weights, and none of them has a score"
    left = "so much of the spread does not come from seeds"
    return f"{runs} end with different weights and differ by up to {gap:.4g} ({what}): {left}"
