"""Whatever is killed, the same command again ends with the same numbers, and nothing is left behind or logged twice."""

from __future__ import annotations

import json
import signal

import pytest

from tests.helpers.store_checks import all_statuses, differences, misloggings, no_run_is_left_running
from tests.helpers.study_commands import EXECUTION, LONG, SEARCH, TinyStudy, clean_environment, still_alive

LONGER = {"training": LONG["training"] | {"max_steps": 1200, "evaluate_every_steps": 200}}
"""Enough for MLflow's store to be open in the middle of its first run."""
ONE_SLOT = EXECUTION | {"slots": 1, "checkpoint_every_seconds": 0.1}


@pytest.fixture(scope="module")
def straight(new_study) -> TinyStudy:
    """The study that nobody interrupts."""
    study = new_study(**LONGER, execution=ONE_SLOT)
    study.run()
    return study


def assert_equal_results(study: TinyStudy, straight: TinyStudy) -> None:
    """Same runs, same weights to the last bit, same numbers."""
    assert differences(study, straight) == []
    assert None not in study.weights.values()


def assert_logged_once(study: TinyStudy, *stages: str) -> None:
    """One finished MLflow run for every digest, with one point for each of its steps."""
    assert misloggings(study, stages) == []


@pytest.mark.slow  # the kill study of `make test` does it to the command, its workers and its server
def test_a_killed_flow_goes_on_and_ends_with_the_same_numbers(new_study, straight):
    study = new_study(**LONGER, execution=ONE_SLOT)
    started = study.start()
    # a study trains before MLflow's store is open
    started.until(lambda: study.records and study.checkpoints() and study.runs(), "the second run had a checkpoint")
    below = started.end(signal.SIGKILL)
    assert len(below) >= 2, "a worker and a guard at least"
    assert started.wait() == -signal.SIGKILL
    assert still_alive(below, within_seconds=15) == []
    assert no_run_is_left_running(study, within_seconds=15)
    assert all_statuses(study)[0] == "KILLED"
    finished = dict(study.records)
    assert len(finished) == 1, "killed in the middle"
    study.run()
    assert {digest: study.records[digest] for digest in finished} == finished, "it is not trained again"
    assert_equal_results(study, straight)
    assert_logged_once(study, "seeds")
    assert [run.info.status for run in study.runs("study")] == ["FINISHED"]


@pytest.mark.slow
def test_a_killed_worker_costs_its_run_one_more_attempt(new_study, straight):
    study = new_study(**LONGER, execution=ONE_SLOT | {"retries": 1})
    started = study.start()
    started.until(study.checkpoints, "the first run had a checkpoint")
    started.worker().kill()
    assert started.wait() == 0, started.stderr
    assert sorted(record.attempts for record in study.records.values()) == [1, 2]
    assert_equal_results(study, straight)
    assert_logged_once(study, "seeds")


@pytest.mark.slow
def test_a_run_that_fails_is_a_record_and_is_tried_again_by_the_next_command(new_study, straight):
    study = new_study(**LONGER, execution=ONE_SLOT | {"retries": 0})
    started = study.start()
    started.until(study.checkpoints, "the first run had a checkpoint")
    started.worker().kill()
    assert started.wait() == 1, started.stderr
    failed, finished = sorted(study.records.values(), key=lambda record: record.finished)
    assert (failed.status, finished.finished) == ("failed", True)
    assert "the worker was killed (SIGKILL" in failed.error
    assert study.summary.arms[0].counts == {"failed": 1, finished.status: 1}
    assert sorted(run.info.status for run in study.runs()) == ["FAILED", "FINISHED"]
    status = study.command("status", study.name, expect=1).stdout
    assert f"{failed.spec.title}: failed after 1 attempts: {failed.error}" in status
    study.run()
    assert_equal_results(study, straight)
    assert_logged_once(study, "seeds")


@pytest.mark.parametrize(
    ("how", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, -signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_a_study_that_is_stopped_leaves_nothing_behind(new_study, how, code):
    study = new_study(**LONGER, execution=ONE_SLOT)
    started = study.start()
    # a study trains before MLflow's store is open
    started.until(lambda: study.checkpoints() and study.runs(), "the first run had a checkpoint")
    below = started.end(how)
    assert started.wait() == code, started.stderr
    assert still_alive(below, within_seconds=15) == []
    assert no_run_is_left_running(study, within_seconds=15)
    assert set(all_statuses(study)) == {"KILLED"}
    assert "Traceback" not in started.stderr
    if how == signal.SIGINT:
        assert "stopped; the same command continues from here" in started.stderr


@pytest.mark.slow
def test_a_killed_command_takes_its_own_prefect_server_along(shared, tmp_path):
    study = TinyStudy(tmp_path, shared, clean_environment(), **LONG)
    started = study.start()
    started.until(lambda: "training over seeds" in started.stderr, "the server answered and the flow trained")
    assert any("flows.cli.embedded_server" in process.cmdline() for process in started.descendants())
    below = started.end(signal.SIGKILL)
    started.wait()
    assert still_alive(below, within_seconds=15) == []


STRATEGIES = {
    "strategies.llrd.decay": {"low": 0.5, "high": 1.0},
    "strategies.freezing.layers": {"low": 0, "high": 1, "integer": True},
    "learning_rate": {"low": 1e-3, "high": 1e-2, "log": True},
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("search", "n_records"),
    [
        pytest.param({"n_trials": 4}, 3, id="training"),
        pytest.param({"space": STRATEGIES, "n_trials": 6}, 5, id="strategies"),
        pytest.param({"space": STRATEGIES, "n_trials": 8, "trials_per_batch": 4, "sampler": "cmaes"}, 7, id="cmaes"),
    ],
)
def test_a_killed_search_goes_on_with_the_same_trials(new_study, search, n_records):
    arms = {"full": {"search": SEARCH | search, "max_steps": 200}}
    searching = LONG | {"arms": arms, "execution": ONE_SLOT, "seeds": {"n": 1}}
    straight, study = new_study(**searching), new_study(**searching)
    straight.run()
    started = study.start()
    started.until(lambda: len(study.records) >= n_records and study.checkpoints(), "a later batch of trials was under way")
    started.end(signal.SIGKILL)
    started.wait()
    assert not list(study.dir.path.glob("sweep/*/result.json")), "killed in the middle of the search"
    study.run()
    assert_equal_results(study, straight)
    results = [next(one.dir.path.glob("sweep/*/result.json")).read_bytes() for one in (study, straight)]
    assert results[0] == results[1]
    assert json.loads(results[0])["savings"]["n_runs"] == arms["full"]["search"]["n_trials"] * SEARCH["n_seeds"]
    assert_logged_once(study, "search", "seeds")
