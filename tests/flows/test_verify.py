"""A study is trained again from its records, from MLflow alone, and compared run by run; what was tampered with is found."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from bertft_core.records import RunRecord
from bertft_core.storage.study_dir import read_verification, write_record
from flows.cli.app import USER_MUST_ACT, main
from tests.helpers.study_commands import EXECUTION, Ended, TinyStudy, run_several

ARMS = {"features": {"strategies": [{"kind": "feature_extraction"}]}, "full": {}}


@pytest.fixture(scope="module")
def study(new_study, shared, tmp_path_factory) -> TinyStudy:
    """A finished study over texts of its own, which a test may change."""
    texts = shutil.copytree(shared, tmp_path_factory.mktemp("own") / "texts", ignore=shutil.ignore_patterns("*.db"))
    splits = {name: str(texts / f"{name}.jsonl") for name in ("train", "validation", "test")}
    # with kernels that a busy machine would choose anew, the run that comes back from MLflow would be another one
    execution = EXECUTION | {"slots": 1}
    study = new_study(arms=ARMS, seeds={"n": 1}, execution=execution, data={"source": "files", "max_length": 48} | splits)
    study.run()
    return study


def runs_of(study: TinyStudy) -> dict[str, Any]:
    """Arm → MLflow run."""
    return {run.data.tags["bertft.arm"]: run for run in study.runs()}


def record_of(study: TinyStudy, arm: str) -> RunRecord:
    return next(record for record in study.records.values() if record.spec.arm == arm)


def commands(study: TinyStudy, *words: list[str]) -> list[Ended]:
    return run_several([[*one, "--home", str(study.home)] for one in words], study.environment)


def report_of(study: TinyStudy) -> str:
    page = (study.dir.report_dir / "report.html").read_text()
    return " ".join(re.sub("<[^>]+>", " ", page[page.index('id="reproducibility"') : page.index('id="again"')]).split())


def files_of(study: TinyStudy) -> dict[str, bytes]:
    """The study's own results."""
    return {str(path): path.read_bytes() for path in study.dir.path.glob("runs/**/*") if path.is_file()}


def test_a_study_that_was_not_verified_says_so_with_the_command(study):
    shown = report_of(study)
    assert "None of the 2 finished report runs has been trained again yet." in shown
    assert shown.count("not done") == 6 + 1
    assert shown.count("not applicable") == 1
    assert f"bertft verify tiny --home {study.home} --certify" in shown


def test_every_run_is_trained_again_bitwise_and_every_view_shows_it(study):
    before = files_of(study)
    prepared = study.home / "data" / record_of(study, "full").spec.data_fingerprint
    for path in prepared.glob("features/*/*.npy"):
        path.unlink()  # a verification computes them itself, and leaves none
    (ended,) = commands(study, ["verify", "tiny", "--runs", "all"])
    assert ended.code == 0, ended
    assert "training 2 of 2 finished runs again, each in a fresh process" in ended.stdout
    assert re.findall(r"(features|full) · seed 000 +bitwise", ended.stdout) == ["features", "full"]
    assert files_of(study) == before, "its own results are left alone"
    assert not list(prepared.glob("features/*/*.npy"))
    assert not list(study.dir.path.glob(".verify*"))
    assert [(v.how, v.finding.verdict) for v in read_verification(study.dir.path).runs] == [("verify", "bitwise")] * 2
    assert "2 of 2 finished report runs were trained again" in report_of(study)
    assert "2 of 2 are bitwise equal" in report_of(study)
    for run in runs_of(study).values():
        assert (run.data.tags["bertft.verified"], run.data.tags["bertft.verified_by"]) == ("bitwise", "bertft verify")
        assert run.data.tags["bertft.verified_at"] >= "2026"
    (parent,) = study.runs("study")
    client = MlflowClient(f"sqlite:///{study.home / 'mlflow.db'}")
    assert "verification.json" in {item.path for item in client.list_artifacts(parent.info.run_id)}


def test_a_program_reads_the_verdicts_and_nothing_else_from_stdout(study, capsys):
    """Without their data the runs are not trained, and in this process nothing is imported again: both are quicker."""
    full = record_of(study, "full")
    test_split = study.home / "data" / full.spec.data_fingerprint / "test.arrow"
    whole = test_split.read_bytes()
    test_split.unlink()
    with pytest.raises(SystemExit) as ended:
        main(["verify", "tiny", "--json", "--home", str(study.home)])
    test_split.write_bytes(whole)
    assert ended.value.code == 1
    found = json.loads(capsys.readouterr().out)
    assert found.keys() == {"study", "verdicts", "certificate", "report"}
    assert (found["study"], found["certificate"]) == ("tiny", None)
    assert Path(found["report"]).is_file()
    assert [verdict["title"] for verdict in found["verdicts"]] == ["features · seed 000", "full · seed 000"]
    verdict = found["verdicts"][1]
    assert (verdict["run_digest"], verdict["how"]) == (full.digest, "verify")
    assert str(test_split) in verdict["finding"]["error"]


@pytest.mark.slow
def test_what_was_tampered_with_is_found_and_named(study):
    kept = files_of(study)
    full, features = record_of(study, "full"), record_of(study, "features")
    name = features.predictions["final"]["test"]
    test, validation = (study.dir.run_dir(features.digest) / path for path in (name, features.predictions["final"]["validation"]))
    summary = study.dir.summary_path.read_bytes()
    shutil.copy(validation, test)
    (ended,) = commands(study, ["verify", "tiny"])
    assert ended.code == USER_MUST_ACT
    assert str(test) in ended.stderr
    assert study.dir.summary_path.read_bytes() == summary, "it would have been evaluated from the wrong predictions"
    test.write_bytes(kept[str(test)])
    write_record(study.dir.run_dir(full.digest) / "record.json", full.model_copy(update={"weights_sha256": "0" * 64}))
    (ended,) = commands(study, ["verify", "tiny"])
    assert ended.code == 1
    assert re.search(r"full · seed 000 +equal within 0 ", ended.stdout)
    assert "different  final weights\n" in ended.stdout
    assert "loss and gradient norm are equal at every step" in ended.stdout
    assert "1 of 2 are bitwise equal" in report_of(study)
    assert runs_of(study)["full"].data.tags["bertft.verified"] == "equal within 0"
    for path, content in kept.items():
        Path(path).write_bytes(content)


@pytest.mark.slow
def test_data_and_encoder_that_are_gone_are_the_reason(study):
    fingerprint = record_of(study, "full").spec.data_fingerprint
    test_split = study.home / "data" / fingerprint / "test.arrow"
    weights = Path(study.values["encoder"]["path"]) / "model.safetensors"
    whole, own = test_split.read_bytes(), weights.read_bytes()
    test_split.unlink()
    (gone,) = commands(study, ["verify", "tiny"])
    test_split.write_bytes(whole)
    weights.write_bytes(own + b" ")
    (changed,) = commands(study, ["verify", "tiny", "--certify"])
    weights.write_bytes(own)
    assert (gone.code, changed.code) == (1, 1)
    assert f"reason     the prepared data are missing: {test_split}" in gone.stdout
    assert "not reproducible here: the encoder weights have changed" in changed.stdout


def test_a_mistake_is_reported_with_code_2(study):
    words = [["verify", "tiny", "--runs", "0"], ["verify", "nothing"], ["replay", "0" * 32], ["replay", "tiny/full/7"]]
    parent = study.runs("study")[0].info.run_id
    ended = commands(study, *words, ["replay", parent])
    assert [one.code for one in ended] == [2] * 5
    assert "expected: 1, 2, … or all" in ended[0].stderr
    assert f"{runs_of(study)['full'].info.run_id}  full · seed 000" in ended[4].stderr, "the runs below it are named"


def test_two_runs_are_held_against_each_other_from_mlflow_or_from_disk(study):
    full, features = record_of(study, "full"), record_of(study, "features")
    ids = [runs_of(study)[arm].info.run_id for arm in ("features", "full")]
    by_id, by_digest = commands(study, ["diff", *ids, "--json"], ["diff", features.digest[:8], full.digest, "--json"])
    assert (by_id.code, by_digest.code) == (0, 0)
    assert json.loads(by_id.stdout) == json.loads(by_digest.stdout)
    assert json.loads(by_id.stdout)["first_diverging_step"] == 1


@pytest.mark.slow
def test_a_run_is_rebuilt_from_mlflow_alone_when_study_and_data_are_gone(study):
    """The last test of the file: it takes the folders away."""
    run_ids = {arm: run.info.run_id for arm, run in runs_of(study).items()}
    kept = read_verification(study.dir.path)
    shutil.rmtree(study.home / "studies")
    shutil.rmtree(study.home / "data")
    (ended,) = commands(study, ["replay", run_ids["full"]])
    assert ended.code == 0, ended
    assert re.search(r"full · seed 000 +bitwise", ended.stdout)
    assert not (study.home / "studies").exists()
    assert not (study.home / "data").exists()
    tags = runs_of(study)["full"].data.tags
    assert (tags["bertft.verified"], tags["bertft.verified_by"]) == ("bitwise", "bertft replay")
    train = Path(study.values["data"]["train"])
    whole = train.read_text()
    train.write_text("\n".join(whole.splitlines()[:-2]) + "\n")
    changed, for_programs = commands(study, ["replay", "tiny/full/0"], ["replay", "tiny/full/0", "--json"])
    train.write_text(whole)
    assert (changed.code, for_programs.code) == (1, 1)
    found = json.loads(for_programs.stdout)
    assert (found["study"], found["verdict"]["how"]) == ("tiny", "replay")
    assert "split train: different examples (24 → 22)" in found["verdict"]["finding"]["error"]
    assert "reason     the data have changed (split train: different examples (24 → 22))" in changed.stdout
    assert runs_of(study)["full"].data.tags["bertft.verified"] == "not reproducible here"
    study.run()
    again = {verdict.run_digest: verdict for verdict in read_verification(study.dir.path).runs}
    assert again.keys() == {verdict.run_digest for verdict in kept.runs}, "it comes back from MLflow"
    assert again[record_of(study, "full").digest].how == "replay"
