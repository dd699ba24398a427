"""The verdict on a run trained again: bitwise only when nothing differs, else how far, from which step on, and why."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from bertft_core.evaluation.run_diff.curve_diff import first_differences, first_diverging_step
from bertft_core.evaluation.run_diff.environment_diff import environment_changes
from bertft_core.evaluation.run_diff.retraining_diff import RunOnDisk, compare
from bertft_core.records import RunRecord
from bertft_core.records.verification_record import RunDifference
from bertft_core.storage.curve_lines import curve_events
from bertft_core.storage.study_dir import StudyDir, file_sha256
from tests.helpers.small_records import make_card, make_environment, make_record, make_spec, make_study

HASHES = {"initial_head_sha256": "a" * 64, "batch_order_sha256": ("b" * 64, "c" * 64)}


def stored(tmp_path: Path, **changes: Any) -> RunOnDisk:
    """A run with files and their hashes, as one that was trained leaves them."""
    study = make_study()
    card, study_dir = make_card(tmp_path), StudyDir(tmp_path, study.name)
    record = make_record(make_spec(study, card), card, study_dir)
    run_dir = study_dir.run_dir(record.digest)
    return with_files(RunOnDisk(record.model_copy(update=HASHES | changes), run_dir))


def with_files(run: RunOnDisk) -> RunOnDisk:
    names = {path for splits in run.record.predictions.values() for path in splits.values()} | {"curves.jsonl"}
    files = {name: file_sha256(run.run_dir / name) for name in sorted(names)}
    return RunOnDisk(run.record.model_copy(update={"files": files}), run.run_dir)


def again(run: RunOnDisk, tmp_path: Path, **changes: Any) -> RunOnDisk:
    """The same run in another folder, with changes to its record."""
    shutil.copytree(run.run_dir, tmp_path / "again")
    return with_files(RunOnDisk(run.record.model_copy(update=changes), tmp_path / "again"))


def shifted(record: RunRecord, by: float) -> dict[str, Any]:
    """Changes that move one metric."""
    final = {split: dict(metrics) for split, metrics in record.final.items()}
    final["test"]["accuracy"] += by
    return {"final": final}


def rewrite_loss(run_dir: Path, at_step: int) -> None:
    events = curve_events(run_dir / "curves.jsonl")
    for event in events:
        if event["kind"] == "step" and event["step"] >= at_step:
            event["loss"] += 1e-7
    (run_dir / "curves.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))


def test_the_same_run_is_bitwise_also_when_times_and_harmless_things_differ(tmp_path):
    run = stored(tmp_path)
    other = {"environment": make_environment().model_copy(update={"host": "another", "python": "3.12.0"})}
    times = {"started_at": "2027-01-01T00:00:00Z", "train_seconds": 1.0, "attempts": 2, "peak_memory_bytes": 7}
    finding = compare(run, again(run, tmp_path, **other, **times))
    assert (finding.verdict, finding.differences) == ("bitwise", ())
    assert [(c.part, c.a, c.b) for c in finding.environment] == [("python", "3.11.9", "3.12.0"), ("host", "h", "another")]


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"weights_sha256": "9" * 64}, RunDifference(code="weights")),
        ({"initial_head_sha256": "9" * 64}, RunDifference(code="initial_head")),
        ({"batch_order_sha256": ("b" * 64, "9" * 64)}, RunDifference(code="batch_order")),
        ({"best_step": 10}, RunDifference(code="best_step", a=5, b=10)),
        ({"n_steps": 9}, RunDifference(code="n_steps", a=10, b=9)),
        ({"evaluations": ()}, RunDifference(code="evaluations")),
    ],
)
def test_everything_that_a_record_holds_can_spoil_the_verdict(tmp_path, changes, difference):
    run = stored(tmp_path)
    finding = compare(run, again(run, tmp_path, **changes))
    assert (finding.verdict, finding.largest_difference) == ("equal within", 0)
    assert finding.differences == (difference,)
    assert finding.first_step is None


def test_metrics_that_differ_give_the_largest_difference_and_curves_the_first_step(tmp_path):
    run = stored(tmp_path)
    other = again(run, tmp_path, **shifted(run.record, 0.0125))
    rewrite_loss(other.run_dir, at_step=4)
    finding = compare(run, with_files(other))
    assert (finding.verdict, finding.largest_difference) == ("equal within", pytest.approx(0.0125))
    assert finding.first_step == 4
    assert finding.differences == (RunDifference(code="metrics"), RunDifference(code="file", path="curves.jsonl"))


def test_a_run_that_ends_otherwise_is_different_and_not_within_anything(tmp_path):
    run = stored(tmp_path)
    finding = compare(run, again(run, tmp_path, status="diverged", final={}, best={}))
    assert finding.verdict == "different"
    assert RunDifference(code="status", a="ok", b="diverged") in finding.differences


@pytest.mark.parametrize(
    ("change", "decided"),
    [
        ({"device": "another CPU"}, ("processor", None, "made-up CPU", "another CPU")),
        ({"threads": 2}, ("threads", None, "1", "2")),
        ({"packages": {"torch": "2.14.0"}}, ("package", "torch", "2.13.0", "2.14.0")),
        ({"commit": "d" * 40}, ("bertft_code", None, "c" * 12, "d" * 12)),
    ],
)
def test_what_differs_where_the_machine_differs_is_not_reproducible_here(tmp_path, change, decided):
    run = stored(tmp_path)
    there = make_environment().model_copy(update=change)
    finding = compare(run, again(run, tmp_path, environment=there, **shifted(run.record, 0.5)))
    assert (finding.verdict, finding.error, finding.largest_difference) == ("not reproducible here", None, 0.5)
    assert [(change.part, change.name, change.a, change.b) for change in finding.deciding] == [decided]


def test_a_stored_file_that_was_changed_is_no_fault_of_the_machine(tmp_path):
    run = stored(tmp_path)
    other = again(run, tmp_path, environment=make_environment().model_copy(update={"threads": 2}))
    name = run.record.predictions["final"]["test"]
    (run.run_dir / name).write_bytes(b"something else")
    finding = compare(run, other)
    assert (finding.verdict, finding.largest_difference, finding.deciding) == ("equal within", 0, ())
    assert finding.differences == (RunDifference(code="file_changed", path=name),)
    (run.run_dir / name).unlink()
    assert compare(run, other).differences == (RunDifference(code="file_missing", path=name),)


def test_a_model_that_retention_deleted_is_not_missed_but_one_that_changed_is_named(tmp_path):
    run, name = stored(tmp_path), "model/model.safetensors"
    (run.run_dir / "model").mkdir()
    (run.run_dir / name).write_bytes(b"weights")
    files = run.record.files | {name: file_sha256(run.run_dir / name)}
    run = RunOnDisk(run.record.model_copy(update={"files": files}), run.run_dir)
    shutil.copytree(run.run_dir, tmp_path / "again")
    other = RunOnDisk(run.record, tmp_path / "again")
    shutil.rmtree(run.run_dir / "model")
    assert compare(run, other).verdict == "bitwise"
    changed = RunOnDisk(run.record.model_copy(update={"files": files | {name: "9" * 64}}), tmp_path / "again")
    assert compare(run, changed).differences == (RunDifference(code="file", path=name),)


def test_a_record_of_an_older_version_is_compared_by_what_lies_beside_it(tmp_path):
    run = stored(tmp_path)
    older = RunOnDisk(run.record.model_copy(update={"files": {}, "batch_order_sha256": ()}), run.run_dir)
    other = again(run, tmp_path)
    assert compare(older, other).verdict == "bitwise"
    rewrite_loss(run.run_dir, at_step=2)
    curves = RunDifference(code="file", path="curves.jsonl")
    assert compare(older, other).differences == (curves,)
    name = run.record.predictions["final"]["test"]
    shutil.copy(run.run_dir / run.record.predictions["best"]["test"], run.run_dir / name)
    assert compare(older, other).differences == (RunDifference(code="file", path=name), curves)


def test_the_first_step_is_found_for_each_quantity_and_a_step_that_one_lacks_counts():
    def step(n: int, **values: Any) -> dict[str, Any]:
        return {"kind": "step", "step": n, "loss": 1.0, "learning_rate": 0.1, "grad_norm": 2.0} | values

    left = [step(1), step(2), {"kind": "evaluation", "step": 2}, step(3)]
    assert first_differences(left, left) == {"loss": None, "learning_rate": None, "grad_norm": None}
    right = [step(1), step(2, learning_rate=0.2), step(3, grad_norm=None)]
    assert first_differences(left, right) == {"loss": None, "learning_rate": 2, "grad_norm": 3}
    assert first_diverging_step(left, right) == 3
    assert first_diverging_step(left, left[:1]) == 2


def test_torn_curves_are_read_as_far_as_they_go(tmp_path):
    (tmp_path / "curves.jsonl").write_text('{"kind": "step", "step": 1}\n[1]\n{"kind": "st')
    assert curve_events(tmp_path / "curves.jsonl") == [{"kind": "step", "step": 1}]
    assert curve_events(tmp_path / "gone.jsonl") == []


def test_what_decides_numbers_comes_first_and_what_was_never_recorded_is_no_change():
    left = make_environment()
    right = left.model_copy(update={"host": "another", "cpu_capability": "AVX2", "threads": 4, "gpu_driver": "550"})
    changes = environment_changes(left, right)
    assert [(change.part, change.decides) for change in changes] == [("threads", True), ("host", False)]
    flags, pins = {"flags": {"matmul_tf32": False}}, {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    one = left.model_copy(update=flags | {"variables": pins})
    other = left.model_copy(update={"flags": {"matmul_tf32": True}, "variables": {}})
    assert [(c.part, c.name, c.a, c.b, c.decides) for c in environment_changes(one, other)] == [
        ("torch_setting", "matmul_tf32", "off", "on", True),
        ("variable", "OMP_NUM_THREADS", "1", None, True),
        ("variable", "PYTHONHASHSEED", "0", None, False),
    ]
