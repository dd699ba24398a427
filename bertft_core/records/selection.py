"""Start many seeds, stop them early, continue the best (Dodge et al. 2020, section 5): who goes on, and what that costs.

Pure functions of records. A run's score at the cut is its best validation score up to there, whatever it did afterwards: so the
ranking is the same while the best go on, after they ended, and when a killed study begins anew.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from bertft_core.config.head_settings import Direction
from bertft_core.records.run_record import RunRecord
from bertft_core.records.run_spec import RunSpec


class Starter(NamedTuple):
    """A seed that started, and where it stood at the cut."""

    seed_index: int
    digest: str
    score: float | None
    """Best validation score of the study's metric up to the cut; None for a run that diverged or failed by then."""


def cut_step(stop_at: float, n_steps: int) -> int:
    """The step after which a run stops that is to stop at this share of its steps."""
    return max(1, math.ceil(stop_at * n_steps - 1e-9))


def may_go_on(record: RunRecord) -> bool:
    """The run stopped at its cut: its state is kept until it is known which go on."""
    return record.status == "pruned" and record.spec.stop_at is not None


def answers(record: RunRecord, spec: RunSpec) -> bool:
    """Whether a record is what a spec asks for: the end of the run, or its stop at this cut or a later one.

    Older digests know no kind of device, so that a run on a GPU may have the digest of the same run on a CPU.
    """
    if record.computed_with != spec.compute:
        return False
    if record.status != "pruned":
        return True
    if spec.stop_at is None or record.spec.stop_at is None:
        return record.spec.stop_at is None and spec.stop_at is None and record.spec.prune_below == spec.prune_below
    return record.spec.stop_at >= spec.stop_at


def goes_on(record: RunRecord, spec: RunSpec) -> bool:
    """The run stopped at a cut that this spec goes beyond."""
    return may_go_on(record) and record.computed_with == spec.compute and not answers(record, spec)


def starter(record: RunRecord, stop_at: float, direction: Direction) -> Starter:
    """Where a run stood at the cut."""
    step = cut_step(stop_at, record.planned_steps)
    failed_before = record.status == "failed" and record.n_steps < step
    ended_before = failed_before or (record.status == "diverged" and record.n_steps <= step)
    metric = record.spec.metric  # some have no value, as a perplexity that is too large for a number
    scores = [found.metrics[metric] for found in record.evaluations if found.step <= step and metric in found.metrics]
    if ended_before or not scores:
        return Starter(record.spec.index, record.digest, None)
    return Starter(record.spec.index, record.digest, max(scores) if direction == "maximize" else min(scores))


def ranked(starters: Iterable[Starter], direction: Direction) -> list[Starter]:
    """The best first; of equals the lower index; those without a score last."""
    sign = 1.0 if direction == "maximize" else -1.0
    return sorted(starters, key=lambda s: (s.score is None, -sign * (s.score or 0.0), s.seed_index))


def kept(starters: Sequence[Starter], keep: int, direction: Direction) -> list[Starter]:
    """Those that go on, the best first; fewer than `keep` where fewer have a score."""
    return [one for one in ranked(starters, direction) if one.score is not None][:keep]
