"""A recorded run against the same run trained again: hashes, metrics, files, curves, and the verdict over them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bertft_core.evaluation.run_diff.curve_diff import first_diverging_step, read_steps
from bertft_core.evaluation.run_diff.environment_diff import environment_changes
from bertft_core.records import RunRecord
from bertft_core.records.verification_record import DifferenceCode, RunDifference, VerdictFinding
from bertft_core.storage.curve_lines import curve_events
from bertft_core.storage.study_dir import file_sha256


@dataclass(frozen=True)
class RunOnDisk:
    """A record with the folder of its files."""

    record: RunRecord
    run_dir: Path


def compare(recorded: RunOnDisk, again: RunOnDisk) -> VerdictFinding:
    """The verdict on a run that was trained again.

    `bitwise` only when everything in the record is the same: status, hashes, metrics of every evaluation and split, curves, and
    the files as they are stored now. If something differs and the environment can explain it, the verdict is
    `not reproducible here`.
    """
    left, right = recorded.record, again.record
    environment = tuple(environment_changes(left.environment, right.environment))
    damage, differences = list(_damage(recorded)), list(_differences(recorded, again))
    if not damage and not differences:
        return VerdictFinding(verdict="bitwise", environment=environment)
    curves = [curve_events(run.run_dir / "curves.jsonl") for run in (recorded, again)]
    largest = largest_difference(metrics_of(left), metrics_of(right))
    explained = bool(differences) and any(change.decides for change in environment)  # no machine damages a stored file
    comparable = left.status == right.status and largest is not None
    return VerdictFinding(
        verdict="not reproducible here" if explained else "equal within" if comparable else "different",
        largest_difference=largest,
        first_step=first_diverging_step(*curves) if all(curves) else None,
        differences=(*damage, *differences),
        environment=environment,
    )


def compare_training(recorded: RunOnDisk, again: RunOnDisk) -> VerdictFinding:
    """`bitwise` when weights, losses, gradients and final scores are; when validation took place may differ."""
    left, right = recorded.record, again.record
    if None in (left.weights_sha256, right.weights_sha256):
        return VerdictFinding(verdict="different", differences=(_changed("no_weights", left.status, right.status),))
    steps = [read_steps(run.run_dir / "curves.jsonl") for run in (recorded, again)]
    differences = [_changed("status", left.status, right.status)] if left.status != right.status else []
    differences += _differing_hashes(left, right)
    differences += [RunDifference(code="losses")] if steps[0] != steps[1] else []
    differences += [RunDifference(code="final_metrics")] if left.final != right.final else []
    return VerdictFinding(verdict="different" if differences else "bitwise", differences=tuple(differences))


def _changed(code: DifferenceCode, a: str | int | None, b: str | int | None) -> RunDifference:
    return RunDifference(code=code, a=a, b=b)


def _damage(recorded: RunOnDisk) -> Iterator[RunDifference]:
    """Files that are not what the run wrote. Models may be missing: retention deletes them."""
    for name, sha256 in _files_of(recorded.record).items():
        stored = _sha256(recorded.run_dir / name)
        if stored is None and not name.startswith("model/"):
            yield RunDifference(code="file_missing", path=name)
        elif stored is not None and sha256 not in (None, stored):
            yield RunDifference(code="file_changed", path=name)


def _files_of(record: RunRecord) -> dict[str, str | None]:
    """File → its SHA-256; records of older versions name their predictions only, without hashes."""
    paths = sorted({path for of_split in record.predictions.values() for path in of_split.values()})
    return dict(record.files) or dict.fromkeys(paths)


def _differing_hashes(left: RunRecord, right: RunRecord) -> Iterator[RunDifference]:
    """Records of older versions have no hash of the batch order, and what one lacks is not compared."""
    if left.initial_head_sha256 and left.initial_head_sha256 != right.initial_head_sha256:
        yield RunDifference(code="initial_head")
    if left.batch_order_sha256 and left.batch_order_sha256 != right.batch_order_sha256:
        yield RunDifference(code="batch_order")
    if left.weights_sha256 and left.weights_sha256 != right.weights_sha256:
        yield RunDifference(code="weights")


def _differences(recorded: RunOnDisk, again: RunOnDisk) -> Iterator[RunDifference]:
    left, right = recorded.record, again.record
    if left.status != right.status:
        yield _changed("status", left.status, right.status)
    if left.n_steps != right.n_steps:
        yield _changed("n_steps", left.n_steps, right.n_steps)
    yield from _differing_hashes(left, right)
    if left.evaluations != right.evaluations:
        yield RunDifference(code="evaluations")
    if metrics_of(left) != metrics_of(right):
        yield RunDifference(code="metrics")
    if left.best_step != right.best_step:
        yield _changed("best_step", left.best_step, right.best_step)
    yield from _different_files(recorded, again)


def _different_files(recorded: RunOnDisk, again: RunOnDisk) -> Iterator[RunDifference]:
    """Files that the run trained again wrote with other content, or not at all."""
    for name, sha256 in _files_of(recorded.record).items():
        expected, written = sha256 or _sha256(recorded.run_dir / name), again.record.files.get(name)
        if expected is not None and expected != written:
            yield RunDifference(code="file" if written is not None else "file_not_written", path=name)
    if not recorded.record.files:
        stored = curve_events(recorded.run_dir / "curves.jsonl")
        if stored and stored != curve_events(again.run_dir / "curves.jsonl"):
            yield RunDifference(code="file", path="curves.jsonl")


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
