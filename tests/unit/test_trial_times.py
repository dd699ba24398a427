"""Whoever opens a journal with Optuna sees when each trial ran: from the start of its first run to the end of its last."""

import time
from datetime import UTC, datetime, timedelta

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from bertft_core.config.search_settings import SearchConfig
from bertft_core.sweep.trial_rules import TrialOutcome
from tests.helpers.made_up_searches import SEARCH, Interrupted, die_after, finish, make_search, rows, train, train_batch

BEGIN = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
N_SEEDS, FIRST_SEED_INDEX = SEARCH["n_seeds"], SearchConfig.model_fields["first_seed_index"].default
SECONDS_OF_A_RUN = 10


def began(trial, seed_index=0):
    """Runs of a trial lie an hour apart, as if the other trials of its batch had run in between."""
    return BEGIN + timedelta(days=trial, hours=seed_index)


def timed(spec):
    """A run with times of its own."""
    start = began(spec.trial, spec.index - FIRST_SEED_INDEX)
    ended = start + timedelta(seconds=SECONDS_OF_A_RUN)
    return train(spec).model_copy(update={"started_at": start.isoformat(), "ended_at": ended.isoformat()})


def loaded(search):
    """The trials as they are for a person who has nothing but Optuna and the path."""
    storage = JournalStorage(JournalFileBackend(str(search.journal_path)))
    return optuna.load_study(study_name=None, storage=storage).trials


def times(search):
    return [(trial.datetime_start.astimezone(UTC), trial.datetime_complete.astimezone(UTC)) for trial in loaded(search)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return finish(make_search(tmp_path_factory.mktemp("whole")), timed)


def test_optuna_shows_when_each_trial_ran(whole):
    trials = loaded(whole)
    assert len(trials) == 10
    assert {len(trial.user_attrs["runs"]) for trial in trials} == {1, 2, N_SEEDS}
    for trial, (start, complete) in zip(trials, times(whole), strict=True):
        last = len(trial.user_attrs["runs"]) - 1
        assert start == began(trial.number)
        assert complete == began(trial.number, last) + timedelta(seconds=SECONDS_OF_A_RUN)
        assert trial.duration == timedelta(hours=last, seconds=SECONDS_OF_A_RUN)


def test_no_trial_is_there_twice_and_none_waits(whole):
    trials = loaded(whole)
    assert [trial.number for trial in trials] == list(range(10))
    assert all(trial.state.is_finished() for trial in trials)


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/New_York"])
def test_times_are_the_same_in_every_time_zone(tmp_path, whole, monkeypatch, zone):
    expected = times(whole)
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert times(whole) == expected
        assert times(finish(make_search(tmp_path), timed)) == expected
    finally:
        monkeypatch.undo()
        time.tzset()


def n_writes_of(directory, patch):
    written, append = [], JournalFileBackend.append_logs

    def counted(backend, logs):
        written.append(logs)
        append(backend, logs)

    with patch.context() as patched:
        patched.setattr(JournalFileBackend, "append_logs", counted)
        finish(make_search(directory), timed)
    return len(written)


@pytest.mark.parametrize("share", [n / 24 for n in range(24)])
def test_a_search_that_dies_at_any_write_has_the_trials_and_times_of_one_that_did_not(tmp_path, whole, monkeypatch, share):
    n_writes = int(share * n_writes_of(tmp_path / "counted", monkeypatch))
    with monkeypatch.context() as patch:
        die_after(patch, n_writes)
        with pytest.raises(Interrupted):
            finish(make_search(tmp_path / "search"), timed)
    search = finish(make_search(tmp_path / "search", tell=pytest.fail), timed)
    assert rows(search) == rows(whole)
    assert times(search) == times(whole)


@pytest.mark.parametrize("n_writes", range(4))
def test_a_kill_between_beginning_again_and_the_end_leaves_a_trial_that_runs(tmp_path, whole, monkeypatch, n_writes):
    search = make_search(tmp_path)
    batch = search.next_batch()
    outcome = train_batch(search, batch, timed)[0]
    with monkeypatch.context() as patch:
        die_after(patch, n_writes)
        with pytest.raises(Interrupted):
            search.tell(0, outcome)
    search = make_search(tmp_path, tell=pytest.fail)
    assert {trial.state.name for trial in search.journal.trials()} == {"RUNNING"}
    assert search.next_batch() == batch
    assert rows(finish(search, timed)) == rows(whole)
    assert times(search) == times(whole)


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "gp", "cmaes"])
def test_no_sampler_sees_when_trials_ran(tmp_path, monkeypatch, sampler):
    space = {"space": {"learning_rate": {"low": 1e-5, "high": 1e-2, "log": True}, "weight_decay": {"low": 0.0, "high": 0.1}}}
    with_times = rows(finish(make_search(tmp_path / "with", sampler=sampler, n_trials=6, **space), timed))
    monkeypatch.setattr(TrialOutcome, "times", None)
    without = finish(make_search(tmp_path / "without", sampler=sampler, n_trials=6, **space), timed)
    assert rows(without) == with_times
    assert min(times(without))[0] > datetime.now(UTC) - timedelta(hours=1)


def test_a_journal_of_an_older_version_keeps_its_times_and_goes_on(tmp_path, whole, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(TrialOutcome, "times", None)
        before = times(finish(make_search(tmp_path, n_trials=4), timed))
    search = finish(make_search(tmp_path, tell=pytest.fail), timed)
    assert rows(search) == rows(whole)
    assert times(search)[:4] == before
    assert times(search)[4:] == times(whole)[4:]


def test_a_search_whose_batch_is_begun_again_keeps_the_times(tmp_path, whole):
    for n_trials in (6, 10):
        search = finish(make_search(tmp_path, n_trials=n_trials), timed)
    assert times(search) == times(whole)


def test_a_search_rebuilt_from_its_records_has_their_times(tmp_path, whole):
    search = finish(make_search(tmp_path), timed)
    search.journal_path.write_bytes(search.journal_path.read_bytes().replace(b"learning_rate", b"learning_late", 1))
    assert times(finish(make_search(tmp_path), timed)) == times(whole)


def test_a_trial_never_ends_before_it_began(tmp_path):
    """The clock was set back while it ran."""

    def set_back(spec):
        record = timed(spec)
        return record.model_copy(update={"ended_at": (began(spec.trial) - timedelta(hours=1)).isoformat()})

    durations = {trial.duration for trial in loaded(finish(make_search(tmp_path), set_back))}
    assert durations == {timedelta(0)}
