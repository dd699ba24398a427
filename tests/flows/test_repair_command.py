"""After a crash that nobody could tidy up behind, the stores are made to agree with the records, and the study goes on."""

from __future__ import annotations

import signal

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName
from prefect.settings import PREFECT_API_URL, temporary_settings

from bertft_core.training.run import train_run
from tests.helpers.store_checks import misloggings, record_differences, same_curves
from tests.helpers.study_commands import LONG, SEARCH, TinyStudy

ONE_SLOT = {"device": "cpu", "slots": 1, "checkpoint_every_seconds": 0.1}


def flow_run_states(study: TinyStudy, api_url: str) -> tuple[list[str], list[str]]:
    """States of the study's flow runs and of their task runs."""
    of_study = FlowRunFilter(name=FlowRunFilterName(any_=[study.name]))
    with temporary_settings({PREFECT_API_URL: api_url}), get_client(sync_client=True) as client:
        flow_runs = client.read_flow_runs(flow_run_filter=of_study)
        task_runs = client.read_task_runs(flow_run_filter=of_study)
    return [str(run.state_name) for run in flow_runs], [str(run.state_name) for run in task_runs]


@pytest.fixture(scope="module")
def crashed(new_study) -> TinyStudy:
    """A study killed in the middle of its search, and its guard before it."""
    arms = {"full": {"search": SEARCH | {"n_seeds": 1}, "max_steps": 250}}
    study = new_study(**LONG | {"name": "crashed", "arms": arms, "execution": ONE_SLOT})
    started = study.start()
    started.until(study.checkpoints, "the first trial had a checkpoint")
    started.until(lambda: [run for run in study.runs("search") if run.info.status == "RUNNING"], "MLflow has it")
    for process in started.descendants():
        if "tasks.guard" in process.cmdline():
            process.kill()
    started.end(signal.SIGKILL)
    started.wait()
    return study


@pytest.mark.slow
def test_after_a_crash_status_tells_what_differs_and_repair_makes_it_agree(crashed, server):
    study = crashed
    status = study.command("status", study.name).stdout
    assert "crashed: no command is running it" in status
    assert "differs  MLflow: crashed is RUNNING, and no command runs it" in status
    assert "differs  Prefect: 1 flow run is RUNNING, and no command runs it" in status
    assert "differs  Optuna: 2 trials of the search of full are RUNNING, and no command runs it" in status
    assert "this makes the others agree: bertft repair crashed --home " in status

    repaired = study.command("repair", study.name).stdout
    assert "Optuna: 2 trials of the search of full wait until it continues" in repaired
    assert "MLflow: crashed was left RUNNING, now KILLED" in repaired
    assert "was left RUNNING, now Crashed" in repaired
    assert {run.info.status for stage in ("study", "search") for run in study.runs(stage)} <= {"KILLED", "FINISHED"}
    flow_runs, task_runs = flow_run_states(study, server.api_url)
    assert flow_runs == ["Crashed"]
    assert "Running" not in task_runs
    assert "differs" not in study.command("status", study.name).stdout
    assert "crashed: nothing to repair" in study.command("repair").stdout
    assert "crashed: nothing to repair" in study.command("settle").stdout, "its old name"


@pytest.mark.slow
def test_the_same_command_then_ends_as_if_nothing_had_been_killed(crashed, tmp_path):
    """Its worker is killed too, on the way; the runs that were cut short are trained here without a break."""
    study = crashed
    cut_short = {path.parents[1].name for path in study.checkpoints()}
    started = study.start()
    started.until(lambda: study.records and study.checkpoints(), "a further run had a checkpoint")
    started.worker().kill()
    assert started.wait() == 0, started.stderr
    records = study.records
    tried_again = {study.dir.run_dir(digest).name for digest, record in records.items() if record.attempts > 1}
    assert len(tried_again) == 1
    for record in [record for digest, record in records.items() if study.dir.run_dir(digest).name in cut_short | tried_again]:
        straight = train_run(record.spec, run_dir=tmp_path / record.digest)
        assert record_differences(record, straight) == []
        assert same_curves(study.dir.run_dir(record.digest), tmp_path / record.digest)
    assert {record.spec.stage for record in records.values()} == {"search", "seeds"}
    assert misloggings(study, ("search", "seeds")) == []
    assert [run.info.status for run in study.runs("study")] == ["FINISHED"]
