"""A recorded run against the same run trained again: hashes, metrics, files, curves, and the verdict over them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bertft_core.evaluation.run_diff.curve_diff import first_diverging_step, read_curves
from bertft_core.evaluation.run_diff.environment_diff import environment_changes
from bertft_core.records import RunRecord
from bertft_core.records.verification_record import VerdictFinding
from bertft_core.storage.study_dir import file_sha256

HASHES = {
    "initial_head_sha256": "head before the first step",
    "batch_order_sha256": "order of the batches",
    "weights_sha256": "weights of the last step",
}
"""Field of a record → what it is the hash of."""


@dataclass(frozen=True)
class RunOnDisk:
    """A record with the folder of its files."""

    record: RunRecord
    run_dir: Path


def compare(recorded: RunOnDisk, again: RunOnDisk) -> VerdictFinding:
    """The verdict on a run that was trained again.

    `bitwise` only when everything is the same that the record holds: status, hashes, metrics of every evaluation and split,
    curves, and the files as they lie there now. With a difference and an environment that can make one it is
    `not reproducible here`.
    """
    left, right = recorded.record, again.record
    changes = (
        [] if left.environment is None or right.environment is None else environment_changes(left.environment, right.environment)
    )
    environment = tuple(str(change) for change in changes)
    damage, differences = list(_damage(recorded)), list(_differences(recorded, again))
    if not damage and not differences:
        return VerdictFinding(verdict="bitwise", environment=environment)
    curves = [read_curves(run.run_dir / "curves.jsonl") for run in (recorded, again)]
    largest = largest_difference(metrics_of(left), metrics_of(right))
    deciding = [str(change) for change in changes if change.decides] if differences else []  # no machine damages a stored file
    comparable = left.status == right.status and largest is not None
    return VerdictFinding(
        verdict="not reproducible here" if deciding else "equal within" if comparable else "different",
        largest_difference=largest,
        first_step=first_diverging_step(*curves) if all(curves) else None,
        differences=(*damage, *differences),
        environment=environment,
        reason="; ".join(deciding) or None,
    )


def _damage(recorded: RunOnDisk) -> Iterator[str]:
    """Files that are not what the run wrote. Models may be gone: retention deletes them."""
    for name, sha256 in _files_of(recorded.record).items():
        stored = _sha256(recorded.run_dir / name)
        if stored is None and not name.startswith("model/"):
            yield f"{name}: the stored file is gone"
        elif stored is not None and sha256 not in (None, stored):
            yield f"{name}: the stored file is not the one that the run wrote"


def _files_of(record: RunRecord) -> dict[str, str | None]:
    """File → its SHA-256; records of older versions name their predictions only, and know none."""
    paths = sorted({path for of_split in record.predictions.values() for path in of_split.values()})
    return dict(record.files) or dict.fromkeys(paths)


def _differences(recorded: RunOnDisk, again: RunOnDisk) -> Iterator[str]:
    left, right = recorded.record, again.record
    if left.status != right.status:
        yield f"status: {left.status} → {right.status}"
    if left.n_steps != right.n_steps:
        yield f"steps: {left.n_steps} → {right.n_steps}"
    for field, name in HASHES.items():
        a, b = getattr(left, field), getattr(right, field)
        if a and a != b:  # records of older versions have no hash of the batch order
            yield name
    if left.evaluations != right.evaluations:
        yield "validations during training"
    if metrics_of(left) != metrics_of(right):
        yield "metrics"
    if left.best_step != right.best_step:
        yield f"best step: {left.best_step} → {right.best_step}"
    yield from _different_files(recorded, again)


def _different_files(recorded: RunOnDisk, again: RunOnDisk) -> Iterator[str]:
    """Files that the run trained again wrote with other content, or not at all."""
    for name, sha256 in _files_of(recorded.record).items():
        expected, made = sha256 or _sha256(recorded.run_dir / name), again.record.files.get(name)
        if expected is not None and expected != made:
            yield name if made is not None else f"{name}: not written again"
    if not recorded.record.files:
        stored = read_curves(recorded.run_dir / "curves.jsonl")
        if stored and stored != read_curves(again.run_dir / "curves.jsonl"):
            yield "curves.jsonl"


def _sha256(path: Path) -> str | None:
    try:
        return file_sha256(path)
    except OSError:
        return None


def metrics_of(record: RunRecord) -> dict[str, float]:
    """Every number a run ended with: `checkpoint/split/metric` → value."""
    found = {"best_score": record.best_score, "majority_score": record.majority_score}
    metrics = {name: value for name, value in found.items() if value is not None}
    for checkpoint, splits in (("final", record.final), ("best", record.best)):
        for split, of_split in splits.items():
            metrics |= {f"{checkpoint}/{split}/{name}": value for name, value in of_split.items()}
    return metrics


def largest_difference(left: dict[str, float], right: dict[str, float]) -> float | None:
    """Largest absolute difference of the metrics; None when the two do not have the same ones, or none at all."""
    if not left or left.keys() != right.keys():
        return None
    return max(math.fabs(left[name] - right[name]) for name in left)
