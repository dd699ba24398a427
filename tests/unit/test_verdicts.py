"""Verdicts reach MLflow when it is there; when it is not, that is reported and nothing is made."""

from __future__ import annotations

import pytest
from mlflow import MlflowClient

from bertft_core.config import UserError
from bertft_core.records.verification_record import RunDifference, RunVerdict, VerdictFinding, Verification
from bertft_core.storage.study_dir import write_verification
from tasks.tracking.mlflow_store import open_existing, open_store
from tasks.tracking.verdicts import log_verdicts, study_run_of, tag_run

pytestmark = pytest.mark.usefixtures("copied_mlflow_stores")


def verdict(finding: VerdictFinding) -> RunVerdict:
    return RunVerdict(
        run_digest="d" * 64,
        title="full · seed 000",
        recorded_at="2026-01-01T00:00:00Z",
        how="verify",
        finding=finding,
        checked_at="2026-02-02T00:00:00Z",
        machine="CPU on h",
    )


BITWISE = verdict(VerdictFinding(verdict="bitwise"))


def test_no_store_is_reported_and_none_is_made(tmp_path):
    (problem,) = log_verdicts(tmp_path, None, "small", "s" * 64, [BITWISE], tmp_path)
    assert "there is no MLflow store here" in problem
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UserError, match="no MLflow store"):
        open_existing(tmp_path, None)


def test_a_store_that_does_not_answer_is_a_problem_reported(tmp_path):
    (problem,) = log_verdicts(tmp_path, "http://127.0.0.1:9", "small", "s" * 64, [BITWISE], tmp_path)
    assert "127.0.0.1" in problem


def test_the_newest_verdict_stands_alone_and_a_missing_run_is_named(tmp_path):
    client, experiment = open_store(tmp_path, None, "small")
    parent = client.create_run(experiment, tags={"bertft.study_digest": "s" * 64, "bertft.stage": "study"})
    below = {"bertft.run_digest": "d" * 64, "mlflow.parentRunId": parent.info.run_id}
    run_id = client.create_run(experiment, tags=below).info.run_id
    apart = VerdictFinding(
        verdict="equal within", largest_difference=0.5, first_step=3, differences=(RunDifference(code="metrics"),)
    )
    tag_run(client, run_id, verdict(apart))
    tags = client.get_run(run_id).data.tags
    assert (tags["bertft.verified"], tags["bertft.verified_first_step"]) == ("equal within 0.5", "3")
    assert (tags["bertft.verified_differences"], tags["bertft.verified_environment"]) == ("metrics", "the same")
    write_verification(tmp_path, Verification(runs=(BITWISE,)))
    foreign = BITWISE.model_copy(update={"run_digest": "0" * 64, "title": "full · seed 009"})
    problems = log_verdicts(tmp_path, None, "small", "s" * 64, [BITWISE, foreign], tmp_path)
    assert problems == ["the store has no run full · seed 009"]
    tags = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}").get_run(run_id).data.tags
    assert tags["bertft.verified"] == "bitwise"
    assert "bertft.verified_first_step" not in tags
    assert [item.path for item in client.list_artifacts(parent.info.run_id)] == ["verification.json"]
    assert study_run_of(client, client.get_run(run_id)).info.run_id == parent.info.run_id


def test_a_run_that_belongs_to_no_study_is_refused(tmp_path):
    client, experiment = open_store(tmp_path, None, "small")
    alone = client.create_run(experiment)
    with pytest.raises(UserError, match="does not belong to a study"):
        study_run_of(client, alone)
