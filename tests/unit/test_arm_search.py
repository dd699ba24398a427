"""A search asks the same trials however often it is interrupted, and chooses only among those that completed."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bertft_core.config import UserError
from bertft_core.planning.run_specs import search_digest
from bertft_core.sweep.trial_journal import TrialJournal
from tests.helpers.made_up_searches import (
    LEARNING_RATES,
    SEARCH,
    Interrupted,
    die_after,
    finish,
    finished,
    make_run,
    make_search,
    rows,
    train,
    train_batch,
)
from tests.helpers.small_records import make_card, make_study

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The trials of a search nobody interrupted."""
    return rows(finish(make_search(tmp_path_factory.mktemp("whole"))))


def test_the_made_up_search_has_trials_of_every_state(whole):
    assert [row[0] for row in whole] == list(range(10))
    assert {row[1] for row in whole} == {"COMPLETE", "PRUNED", "FAIL"}


def test_the_same_seed_gives_the_same_trials_and_another_seed_others(tmp_path, whole):
    assert rows(finish(make_search(tmp_path / "again"))) == whole
    others = rows(finish(make_search(tmp_path / "other", study={"seed": 1})))
    assert not {row[2]["learning_rate"] for row in others} & {row[2]["learning_rate"] for row in whole}


def test_later_trials_depend_on_earlier_scores_unless_the_sampler_is_random(tmp_path, whole):
    def upside_down(spec):
        return make_run(spec, [1 - train(spec, diverges_above=1.0).best_score])

    def params(sampler, objective):
        return [row[2] for row in rows(finish(make_search(tmp_path / sampler / objective.__name__, sampler=sampler), objective))]

    assert params("tpe", upside_down)[:4] == [row[2] for row in whole][:4]
    assert params("tpe", upside_down)[4:] != [row[2] for row in whole][4:]
    assert params("random", upside_down) == params("random", train)


@pytest.mark.parametrize("order", [lambda numbers: numbers[::-1], lambda numbers: random.Random(3).sample(numbers, len(numbers))])
def test_the_order_in_which_a_batch_is_told_does_not_matter(tmp_path, whole, order):
    assert rows(finish(make_search(tmp_path), order=order)) == whole


@pytest.mark.parametrize("n_writes", range(1, 62, 6))
def test_a_search_that_dies_at_any_write_goes_on_as_if_nothing_happened(tmp_path, whole, monkeypatch, n_writes):
    """The journal is left with half of a line and a lock, as a killed process leaves it."""
    with monkeypatch.context() as patch:
        die_after(patch, n_writes)
        with pytest.raises(Interrupted):
            finish(make_search(tmp_path))
    started = time.monotonic()
    assert rows(finish(make_search(tmp_path))) == whole
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("n_asked", [1, 3, 5])
def test_a_half_asked_batch_is_asked_to_its_end(tmp_path, whole, monkeypatch, n_asked):
    ask, left = TrialJournal.ask, [n_asked]

    def ask_or_die(journal, *arguments):
        left[0] -= 1
        if left[0] < 0:
            raise Interrupted
        ask(journal, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(TrialJournal, "ask", ask_or_die)
        with pytest.raises(Interrupted):
            finish(make_search(tmp_path))
    assert len(make_search(tmp_path).journal.trials()) == n_asked
    assert rows(finish(make_search(tmp_path))) == whole


def test_an_asked_batch_is_the_same_batch_when_asked_again(tmp_path):
    search = make_search(tmp_path)
    batch = search.next_batch()
    assert [trial.number for trial in batch] == [0, 1, 2, 3]
    assert search.next_batch() == batch
    assert make_search(tmp_path).next_batch() == batch


def test_a_half_told_batch_keeps_what_was_told(tmp_path, whole):
    search = make_search(tmp_path)
    batch = search.next_batch()
    outcomes = train_batch(search, batch)
    for number in (2, 0):
        search.tell(number, outcomes[number])
    search = make_search(tmp_path)
    assert search.next_batch() == batch
    before = rows(search)
    search.tell(2, outcomes[3])
    assert rows(search) == before
    assert rows(finish(search)) == whole


def test_a_killed_process_leaves_a_search_that_goes_on(tmp_path, whole):
    killed = subprocess.run([sys.executable, "-m", "tests.helpers.made_up_searches", str(tmp_path), "9"], cwd=ROOT, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert "RUNNING" in {row[1] for row in rows(make_search(tmp_path))}
    assert rows(finish(make_search(tmp_path))) == whole


def test_a_search_at_its_total_asks_nothing_and_writes_no_trial(tmp_path, whole):
    finish(make_search(tmp_path))
    search = make_search(tmp_path)
    assert search.next_batch() == []
    assert rows(search) == whole


def test_a_raised_total_goes_on_from_the_trials_there_are(tmp_path, whole):
    finish(make_search(tmp_path, n_trials=6))
    search = finish(make_search(tmp_path, n_trials=10))
    assert rows(search) == whole
    assert search.result(None).n_planned == 10


@pytest.mark.parametrize("totals", [*((n, 10, 11) for n in range(1, 10)), (11, 5), (11, 8), (11, 7, 10, 3), (7, 6, 7)])
def test_a_search_whose_total_is_changed_has_the_trials_of_one_that_had_it_from_the_start(tmp_path, totals):
    at_once = finish(make_search(tmp_path / "at-once", n_trials=totals[-1]))
    for n_trials in totals:
        changed = finish(make_search(tmp_path / "changed", n_trials=n_trials))
    assert rows(changed)[: totals[-1]] == rows(at_once)
    assert changed.result(None).trials == at_once.result(None).trials


@pytest.mark.parametrize("n_writes", range(1, 30, 2))
def test_a_search_that_dies_while_it_is_made_longer_goes_on_as_if_nothing_happened(tmp_path, whole, monkeypatch, n_writes):
    finish(make_search(tmp_path, n_trials=6))
    with monkeypatch.context() as patch:
        die_after(patch, n_writes)
        with pytest.raises(Interrupted):
            finish(make_search(tmp_path))
    assert rows(finish(make_search(tmp_path))) == whole


def test_a_search_that_died_and_is_then_made_longer_begins_its_batch_again(tmp_path, whole):
    search = make_search(tmp_path, n_trials=7)
    outcomes = train_batch(search, search.next_batch())
    for number, outcome in outcomes.items():
        search.tell(number, outcome)
    outcomes = train_batch(search, search.next_batch())
    search.tell(5, outcomes[5])
    assert rows(finish(make_search(tmp_path))) == whole


def test_a_search_made_longer_is_rebuilt_with_the_same_trials_when_its_journal_is_damaged(tmp_path, whole):
    for n_trials in (5, 10):
        longer = finish(make_search(tmp_path, n_trials=n_trials))
    longer.journal_path.write_bytes(longer.journal_path.read_bytes().replace(b"learning_rate", b"learning_late", 1))
    assert rows(finish(make_search(tmp_path))) == whole


def test_a_longer_search_is_the_same_search_and_a_wider_one_another(tmp_path):
    def digest(**changes):
        return search_digest(make_study(arms={"full": {"search": SEARCH | changes}}), make_card(tmp_path), "full")

    assert digest(n_trials=99) == digest()
    wider = {"learning_rate": LEARNING_RATES | {"high": 0.1}}
    digests = {digest(), digest(space=wider), digest(n_seeds=1), digest(pruner="none"), digest(trials_per_batch=2)}
    assert len(digests) == 5


def test_values_lie_in_the_space_and_keep_their_types(tmp_path):
    space = {
        "learning_rate": LEARNING_RATES,
        "batch_size": {"low": 8, "high": 64, "integer": True, "log": True},
        "weight_decay": {"low": 0.0, "high": 0.1},
        "precision": {"choices": ["fp32", "bf16"]},
        "warmup_ratio": {"choices": [0.0, 0.1]},
    }
    settings = {"space": space, "n_trials": 24, "sampler": "random", "trials_per_batch": 24}
    asked = make_search(tmp_path, **settings).next_batch()
    assert make_search(tmp_path, **settings).next_batch() == asked
    for params in [trial.params for trial in asked]:
        assert list(params) == list(space)
        assert type(params["batch_size"]) is int
        assert 8 <= params["batch_size"] <= 64
        assert 1e-5 <= params["learning_rate"] <= 1e-2
        assert 0.0 <= params["weight_decay"] <= 0.1
        assert params["precision"] in ("fp32", "bf16")
        assert params["warmup_ratio"] in (0.0, 0.1)
    below_the_middle = sum(trial.params["learning_rate"] < 1e-5 * 1e3**0.5 for trial in asked)
    assert 4 <= below_the_middle <= 20, "a log range has half of its values below its geometric middle"


def test_without_a_pruner_every_trial_trains_every_seed(tmp_path):
    def fine(spec):
        assert spec.prune_below == {}
        return train(spec, diverges_above=1.0)

    result = finish(make_search(tmp_path, pruner="none"), fine).result(None)
    assert {(row.state, len(row.scores)) for row in result.trials} == {("complete", 3)}


def test_pruning_spares_runs_and_cuts_others_short(tmp_path):
    trained = []

    def counted(spec):
        trained.append(train(spec))
        return trained[-1]

    finish(make_search(tmp_path), counted)
    assert len(trained) < 10 * 3
    assert "pruned" in {record.status for record in trained}


def test_a_diverged_trial_failed_and_is_never_chosen(tmp_path):
    def diverged_at_its_best(spec):
        record = train(spec, diverges_above=1.0)
        return record.model_copy(update={"status": "diverged", "best_score": 2.0}) if spec.trial in (0, 1) else record

    result = finish(make_search(tmp_path), diverged_at_its_best).result(None)
    assert [row.state for row in result.trials[:2]] == ["failed", "failed"]
    assert result.best_trial not in (0, 1)
    assert result.chosen == result.trials[result.best_trial].params
    assert result.best_score == max(row.score for row in result.trials if row.state == "complete")


def test_a_lower_score_is_better_for_a_loss(tmp_path):
    _, result = finished(tmp_path, study={"metric": "log_loss"})
    complete = [row for row in result.trials if row.state == "complete"]
    assert len(complete) > 1
    assert result.best_score == min(row.score for row in complete)


def test_a_search_without_a_complete_trial_is_an_error_that_says_what_to_do(tmp_path):
    search = finish(make_search(tmp_path), lambda spec: make_run(spec, [], "failed"))
    with pytest.raises(UserError, match="no trial of the search of arm 'full' completed") as error:
        search.result(None)
    assert "10 trials, all failed or pruned" in str(error.value)
    assert "narrow the search space" in str(error.value)


def test_an_arm_without_a_search_cannot_be_searched(tmp_path):
    with pytest.raises(ValueError, match="arm 'full' has no search"):
        search_digest(make_study(arms={"full": {}}), make_card(tmp_path), "full")
