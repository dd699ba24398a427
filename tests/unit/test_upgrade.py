"""A study of an older version can be looked at, is not mixed with new runs, and one of a newer version is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from bertft_core.config import UserError
from bertft_core.config.base import Frozen
from bertft_core.records import DatasetCard, RunRecord, RunSpec, StudySummary, SweepResult
from bertft_core.records.data_card import SplitOrigin
from bertft_core.records.probe_record import ProbeRecord
from bertft_core.records.verification_record import RunDifference, VerdictFinding, Verification
from bertft_core.storage import upgrade
from bertft_core.storage.damage import find_damage
from bertft_core.storage.study_dir import StudyDir, checked_record, checked_values, read_record, write_record
from flows.cli.app import main
from tasks.study_lock import refuse_older
from tests.helpers.small_records import make_card, make_spec, make_study
from tests.helpers.stored_studies import cut_at_bounds

KEPT = Path(__file__).parents[1] / "assets" / "study-0.1"
VERSIONED: tuple[type[Frozen], ...] = (RunSpec, RunRecord, DatasetCard, SweepResult, StudySummary, ProbeRecord, Verification)


@pytest.fixture
def old_home(tmp_path) -> Path:
    """A copy of the study that an older version has left."""
    shutil.copytree(KEPT, tmp_path / "home")
    return tmp_path / "home"


def bertft(capsys, *words: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command."""
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


@pytest.mark.parametrize("kind", VERSIONED)
def test_a_record_is_written_as_the_last_version_of_the_table(kind):
    assert kind.model_fields["version"].default == upgrade.version_of(kind.__name__)


def test_the_kept_study_is_of_version_1_and_whole():
    versions = [json.loads(path.read_text())["version"] for path in KEPT.glob("studies/older/runs/*/record.json")]
    assert versions == [1] * 9
    assert list(find_damage(StudyDir(KEPT, "older"))) == []


def test_its_runs_are_read_with_the_digests_they_had():
    for path in KEPT.glob("studies/older/runs/*/record.json"):
        record = checked_record(path, RunRecord)
        assert record.spec.digest == record.digest == json.loads(path.read_text())["digest"]
        assert path.parent.name == record.digest[:16]
        stopping = [strategy for strategy in record.spec.strategies if strategy.kind == "early_stopping"]
        assert [(s.patience, s.min_delta) for s in stopping] == ([(1, 0.01)] if record.spec.arm == "stopped" else [])


def test_status_and_show_know_it(old_home, capsys):
    code, out, _ = bertft(capsys, "status", "older", "--home", str(old_home))
    assert code == 0
    for arm in ("features", "stopped", "full"):
        assert f"  {arm:<16} seeds   2 done, 0 running, 0 failed, 0 missing of 2" in out
    assert "2 trials (1 complete, 1 pruned); chosen: learning_rate 0.003443" in out
    code, out, _ = bertft(capsys, "show", "older", "--home", str(old_home))
    assert code == 0
    assert "stopped                 2/2   0.562" in out


OF_EXPONENTIALS = ("log_loss", "ece")
"""Metrics of probabilities: numpy's exponentials differ in the last bit from processor to processor."""


def test_its_report_is_written_from_its_own_predictions(old_home, capsys):
    study_dir = StudyDir(old_home, "older")
    before = read_record(study_dir.summary_path, StudySummary)
    assert bertft(capsys, "report", "older", "--home", str(old_home))[0] == 0
    after = read_record(study_dir.summary_path, StudySummary)
    assert before is not None
    newer = {"sd_low", "sd_high", "sd_unbiased", "iqm", "quantiles"}
    ours, theirs = (
        [(arm.arm, arm.counts, [cut_at_bounds(row.model_dump(exclude=newer)) for row in arm.metrics]) for arm in summary.arms]
        for summary in (after, before)
    )
    for (arm, counts, rows), (name, before_counts, stored) in zip(ours, theirs, strict=True):
        assert (arm, counts, len(rows)) == (name, before_counts, len(stored))
        for row, old in zip(rows, stored, strict=True):  # but for t-intervals that left the metric's bounds
            if row["metric"] in OF_EXPONENTIALS:
                old = {key: pytest.approx(value, rel=1e-12) if isinstance(value, float) else value for key, value in old.items()}
            assert row == old
    assert {row.iqm for arm in before.arms for row in arm.metrics} == {None}
    assert all(row.iqm is not None for arm in after.arms for row in arm.metrics)
    assert "stopped" in (study_dir.report_dir / "report.html").read_text()


def test_running_it_is_refused_with_what_to_do(old_home, tmp_path, capsys):
    config = tmp_path / "study.yaml"
    config.write_text("name: older\ndata: {source: bundled, name: reviews}\narms: {full: {}}\n")
    code, _, err = bertft(capsys, "run", str(config), "--home", str(old_home))
    assert code == 2
    assert "the study 'older' was run by an older version of bertft" in err
    assert "--set name=older-2" in err
    assert checked_values(StudyDir(old_home, "older").config_path, type(make_study()))[1] == 1, "nothing was written"
    refuse_older(StudyDir(old_home, "older"), force=True)
    refuse_older(StudyDir(old_home, "new"), force=False)


def test_a_study_of_this_version_is_not_refused(tmp_path):
    study_dir = StudyDir(tmp_path, "small")
    write_record(study_dir.config_path, make_study())
    assert json.loads(study_dir.config_path.read_text())["version"] == 2
    refuse_older(study_dir, force=False)
    assert read_record(study_dir.config_path, type(make_study())) == make_study()


def test_a_record_of_a_newer_version_is_refused_and_not_taken_for_damaged(tmp_path):
    path = tmp_path / "spec.json"
    spec = make_spec(make_study(), make_card(tmp_path))
    path.write_text(json.dumps(spec.model_dump(mode="json") | {"version": 99, "new_key": 1}))
    for read in (read_record, checked_record):
        with pytest.raises(UserError, match="made by a newer bertft") as refused:
            read(path, RunSpec)
        assert "upgrade bertft" in str(refused.value)
        assert str(path) in str(refused.value)


def test_early_stopping_of_the_study_goes_to_the_arms_that_have_none():
    old = {
        "training": {"epochs": 2, "early_stopping": {"patience": 2, "min_delta": 0.0}},
        "arms": {
            "a": {"early_stopping": {"patience": 5, "min_delta": 0.1}},
            "b": {"strategies": [{"kind": "feature_extraction"}]},
        },
    }
    new = upgrade.upgraded(old, "StudyConfig", 1)
    assert new["training"] == {"epochs": 2}
    assert new["arms"]["a"]["strategies"] == [{"kind": "full"}, {"kind": "early_stopping", "patience": 5, "min_delta": 0.1}]
    assert new["arms"]["b"]["strategies"][1] == {"kind": "early_stopping", "patience": 2, "min_delta": 0.0}
    assert upgrade.upgraded(new, "StudyConfig", 2) is new


def test_the_sentences_of_an_older_verification_are_read_as_codes_and_numbers():
    about = {"run_digest": "d" * 64, "title": "full · seed 000", "checked_at": "2026-02-02T00:00:00Z", "machine": "CPU on h"}
    finding = {
        "verdict": "not reproducible here",
        "largest_difference": 0.5,
        "differences": [
            "weights of the last step",
            "best step: 5 → 10",
            "best step: None → 10",
            "a/b.parquet",
            "c: the stored file is gone",
        ],
        "environment": ["torch: 2.13.0 → not installed", "threads per run: 1 → 2", "variable OMP_NUM_THREADS: 1 → unset"],
        "reason": "torch: 2.13.0 → not installed; threads per run: 1 → 2; variable OMP_NUM_THREADS: 1 → unset",
    }
    gone = {"verdict": "not reproducible here", "reason": "the prepared data are gone: x.arrow"}
    runs = [about | {"recorded_at": "a", "how": "verify", "finding": each} for each in (finding, gone)]
    sentences = {
        "same_seed": (True, "bitwise"),
        "kill_and_resume": (False, "equal within 0.25: metrics, first at step 3; killed (SIGKILL)"),
        "accumulation": (True, "largest difference 3e-16 of the largest element; the first step's 5 examples"),
        "reused_worker": (False, "nothing to compare: the runs ended diverged and failed"),
        "data_workers": (None, "There are none"),
    }
    checks = [about | {"check": name, "n_steps": 20, "passed": p, "found": f} for name, (p, f) in sentences.items()]
    read = Verification.model_validate(upgrade.upgraded({"version": 1, "runs": runs, "checks": checks}, "Verification", 1))
    assert [(d.code, d.a, d.b, d.path) for d in read.runs[0].finding.differences] == [
        ("weights", None, None, None),
        ("best_step", 5, 10, None),
        ("best_step", None, 10, None),
        ("file", None, None, "a/b.parquet"),
        ("file_missing", None, None, "c"),
    ]
    assert read.runs[0].finding.error is None
    assert [(c.part, c.name, c.a, c.b) for c in read.runs[0].finding.deciding] == [
        ("package", "torch", "2.13.0", None),
        ("threads", None, "1", "2"),
        ("variable", "OMP_NUM_THREADS", "1", None),
    ]
    assert read.runs[1].finding.error == "the prepared data are gone: x.arrow"
    results = {check.check: check for check in read.checks}
    assert [(name, check.passed) for name, check in results.items()] == [(name, p) for name, (p, _) in sentences.items()]
    assert results["same_seed"].finding == VerdictFinding(verdict="bitwise")
    assert results["kill_and_resume"].finding == VerdictFinding(verdict="equal within", largest_difference=0.25)
    assert results["accumulation"].gradient_error == 3e-16
    ended = RunDifference(code="no_weights", a="diverged", b="failed")
    assert results["reused_worker"].finding == VerdictFinding(verdict="different", differences=(ended,))
    assert results["data_workers"].finding is None


def test_the_reason_of_a_missing_probe_and_the_origin_of_a_split_were_text():
    probes = {"run_digest": "r", "probes_digest": "p", "absent": {"drift": "no layers are known"}}
    (why,) = ProbeRecord.model_validate(upgrade.upgraded(probes, "ProbeRecord", 1)).absent.values()
    assert (why.reason, why.detail) == ("older version", "no layers are known")
    origins = {
        "a.csv": {"path": "a.csv"},
        "cut from train": {"path": "train", "cut_from_train": True},
        "half of validation": {"path": "validation", "halved": True},
        "half of cut from train, subsampled to 20": {
            "path": "train", "cut_from_train": True, "halved": True, "subsampled_to": 20,
        },
        "bundled pairs/train, subsampled to 7, in both orders": {
            "path": "bundled pairs/train", "subsampled_to": 7, "both_orders": True,
        },
    }  # fmt: skip
    card = {"version": 2, "splits": {text: {"origin": text} for text in origins}}
    read = upgrade.upgraded(card, "DatasetCard", 2)["splits"]
    assert {text: SplitOrigin.model_validate(split["origin"]) for text, split in read.items()} == {
        text: SplitOrigin(**origin) for text, origin in origins.items()
    }


def test_a_report_rebuilds_a_damaged_summary_and_refuses_a_damaged_record(old_home, capsys):
    study_dir = StudyDir(old_home, "older")
    study_dir.summary_path.write_text('{"version": 2, ')
    assert bertft(capsys, "show", "older", "--home", str(old_home))[0] == 2
    assert bertft(capsys, "report", "older", "--home", str(old_home))[0] == 0
    assert bertft(capsys, "show", "older", "--home", str(old_home))[0] == 0
    record = min(study_dir.path.glob("runs/*/record.json"))
    record.write_text(record.read_text()[:100])
    code, _, err = bertft(capsys, "report", "older", "--home", str(old_home))
    assert code == 2
    assert str(record) in err
