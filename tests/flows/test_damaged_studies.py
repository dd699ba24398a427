"""A finished study with damaged files: `status` names them, the same command repairs them, and the numbers are the same."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


def flip_one_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.slow
def test_damaged_files_are_named_come_back_from_mlflow_or_are_made_again(finished_copy):
    study = finished_copy
    before, summary = study.records, study.summary
    of_seeds = [record for record in before.values() if record.spec.stage == "seeds"]
    first, second, third, fourth = sorted(of_seeds, key=lambda record: (record.spec.arm, record.spec.index))
    client_runs = {run.data.tags["bertft.run_digest"]: run.info.run_id for run in study.runs()}
    damaged = [
        study.dir.run_dir(first.digest) / "record.json",
        study.dir.run_dir(second.digest) / next(iter(second.predictions["best"].values())),
        study.dir.run_dir(third.digest) / "curves.jsonl",
        study.home / "data" / first.spec.data_fingerprint / "train.arrow",
        study.dir.summary_path,
    ]
    contents = {path: path.read_bytes() for path in damaged[1:4]}
    for path in damaged:
        flip_one_bit(path)
    _forget(study, client_runs[third.digest])
    shutil.rmtree(study.dir.run_dir(fourth.digest))

    status = study.command("status", study.name).stdout
    for path in damaged:
        assert f"  damaged  {path.relative_to(study.home)}: " in status
    ended = study.run()
    warnings = [line for line in ended.stderr.splitlines() if line.startswith("warning   ")]
    for path in damaged:
        assert sum(f"{path.relative_to(study.home)}: " in line for line in warnings) == 1
        assert path.with_name(f"{path.name}.damaged").exists()
    assert study.summary == summary
    assert {path: path.read_bytes() for path in contents} == contents
    after = study.records
    assert after.keys() == before.keys()
    from_mlflow = {first.digest, second.digest, fourth.digest}
    assert {digest: after[digest] for digest in from_mlflow} == {digest: before[digest] for digest in from_mlflow}
    assert not (study.dir.run_dir(fourth.digest) / "spec.json").exists(), "no worker was given the run"
    assert after[third.digest].weights_sha256 == third.weights_sha256
    assert after[third.digest].ended_at > third.ended_at, "trained again"
    assert "damaged" not in study.command("status", study.name).stdout


def _forget(study, run_id: str) -> None:
    from tasks.tracking.mlflow_store import open_store

    client, _ = open_store(study.home, None, study.name)
    client.delete_run(run_id)
