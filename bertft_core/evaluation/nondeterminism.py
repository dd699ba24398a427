"""Nondeterminism: how much runs differ when every seed is fixed. On a CPU they must not differ at all."""

import numpy as np

from bertft_core.evaluation.run_scores import scores_of
from bertft_core.planning.run_specs import plan_repeats
from bertft_core.records import Nondeterminism, RunRecord
from bertft_core.statistics.dispersion import sample_sd
from bertft_core.storage.study_results import StudyResults


def nondeterminism_of(results: StudyResults, key: str) -> tuple[Nondeterminism, ...]:
    """The repeats of each arm's first seed, compared by their weights and by `key` (checkpoint/split/metric)."""
    if not results.study.seeds.repeats:
        return ()
    groups: dict[str, list[RunRecord]] = {}
    for spec in plan_repeats(results.study, results.card, results.chosen, with_first=True):
        if spec.digest in results.records:
            groups.setdefault(spec.arm, []).append(results.records[spec.digest])
    return tuple(_of_arm(results, arm, group, key) for arm, group in groups.items() if len(group) > 1)


def _of_arm(results: StudyResults, arm: str, group: list[RunRecord], key: str) -> Nondeterminism:
    ended = [record for record in group if record.weights_sha256 is not None]
    scores = [found[key] for record in ended if key in (found := scores_of(results, record))]
    return Nondeterminism(
        arm=arm,
        n=len(ended),
        n_without_weights=len(group) - len(ended),
        device=next((record.environment.device for record in ended if record.environment is not None), None),
        bitwise=len(ended) > 1 and len({record.weights_sha256 for record in ended}) == 1,
        largest_difference=float(np.ptp(scores)) if scores else None,
        sd=sample_sd(scores),
    )
