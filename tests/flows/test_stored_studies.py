"""A study stored before records were numbers alone goes on: only the runs that a further seed asks for are trained."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bertft_core.storage.study_dir import StudyDir
from tests.helpers.stored_studies import stored_json, unpack

ARMS = ("features", "stopped", "full")


def records_of(home: Path) -> dict[str, dict]:
    """Digest → record, of every run of the study, as on disk."""
    return {path.parent.name: stored_json(path) for path in StudyDir(home, "rich").path.glob("runs/*/record.json")}


def seeds_of(home: Path) -> dict[tuple[str, int], dict[str, float]]:
    """Arm and seed → scores, of the summary on disk."""
    summary = stored_json(StudyDir(home, "rich").summary_path)
    return {(arm["arm"], seed["index"]): seed["scores"] for arm in summary["arms"] for seed in arm["seeds"]}


@pytest.mark.slow
def test_one_seed_more_trains_only_what_is_missing(server_environment, shared, tmp_path):
    home = unpack(tmp_path)
    shutil.copy(shared / "mlflow.db", home)
    records, seeds = records_of(home), seeds_of(home)
    words = ["run", str(tmp_path / "rich.yaml"), "--set", "seeds.n=6", "--home", str(home)]
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "flows.cli.app", *words], env=server_environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    after = records_of(home)
    new = [after[digest]["spec"] for digest in after.keys() - records.keys()]
    assert sorted((spec["arm"], spec["stage"], spec["index"]) for spec in new) == [(arm, "seeds", 5) for arm in sorted(ARMS)]
    for digest, record in records.items():
        assert {key: after[digest][key] for key in ("weights_sha256", "ended_at", "status", "n_steps")} == {
            key: record[key] for key in ("weights_sha256", "ended_at", "status", "n_steps")
        }
    today = seeds_of(home)
    assert {key: today[key] for key in seeds} == seeds
    assert all(today[arm, 5] for arm in ARMS)
