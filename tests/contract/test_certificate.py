"""Every check of the certificate's table passes for every head and strategy, and fails when it is fed a run that differs."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from bertft_core.evaluation.certificate_checks import CHECKS, NOT_APPLICABLE, is_exact_gradient
from bertft_core.evaluation.run_diff.retraining_diff import RunOnDisk, compare_training
from bertft_core.records import RunSpec
from bertft_core.records.verification_record import CheckDetails, RunDifference, VerdictFinding
from bertft_core.report.prose.verification_text import TITLES
from bertft_core.storage.study_dir import write_record
from bertft_core.strategies import STRATEGIES
from bertft_core.training import accumulation
from bertft_core.training.accumulation import accumulation_error
from bertft_core.training.certificate_runs import BY_VALIDATION, CheckRuns, reseeded, shortened
from bertft_core.training.run import train_run
from flows.cli.verification import certify, chosen_for_certificate, judged
from tests.helpers.every_strategy import HEADS, SETTINGS, lopsided_study, with_strategies
from tests.helpers.tiny_studies import tiny_spec, tiny_study, with_training

CERTIFIED = [kind for kind in STRATEGIES if kind not in BY_VALIDATION]
QUICK = ("feature_extraction", "gradual_unfreezing", "lora", "mixout", "swa")
"""What `make test` takes of them: a frozen encoder, weights that are frozen for a while, added, mixed and averaged."""

JUDGED = [name for name, judge in CHECKS.items() if judge is not None]


def verdict_of(check: str, reference: Path, other: Path) -> VerdictFinding:
    found = judged(CheckRuns(check, reference, other))
    assert found is not None
    return found


def trained(spec: RunSpec, run_dir: Path) -> RunOnDisk:
    return RunOnDisk(train_run(spec, run_dir=run_dir), run_dir)


@pytest.fixture(scope="module")
def specs(tmp_path_factory):
    """Head → the spec of a run of four steps."""

    @cache
    def spec_of(head: str) -> RunSpec:
        study, card = HEADS[head](tmp_path_factory.mktemp(head))
        return tiny_spec(study, card, epochs=None, max_steps=4, evaluate_every_steps=2, evaluate_every_epochs=None)

    return spec_of


@pytest.fixture(scope="module")
def pair(specs, tmp_path_factory) -> tuple[RunOnDisk, RunOnDisk, RunOnDisk]:
    """A run, the same again, and one with other seeds."""
    folder = tmp_path_factory.mktemp("pair")
    spec = specs("classification")
    return trained(spec, folder / "one"), trained(spec, folder / "same"), trained(reseeded(spec), folder / "other")


# The table


def test_the_table_has_what_the_report_promises_and_each_check_is_judged_or_says_why_not():
    assert list(CHECKS) == [
        "same_seed",
        "reused_worker",
        "beside_others",
        "evaluation_cadence",
        "data_workers",
        "kill_and_resume",
        "accumulation",
    ]
    assert {name for name in CHECKS if name not in JUDGED} == {"data_workers", "accumulation"}
    assert NOT_APPLICABLE == "data_workers"
    assert TITLES.keys() == CHECKS.keys()


@pytest.mark.parametrize("name", JUDGED)
def test_a_check_passes_for_the_same_run_and_fails_for_one_with_other_seeds(pair, name):
    one, same, other = pair
    assert verdict_of(name, one.run_dir, same.run_dir).verdict == "bitwise"
    apart = verdict_of(name, one.run_dir, other.run_dir)
    assert apart.verdict in ("equal within", "different")
    assert RunDifference(code="initial_head") in apart.differences


@pytest.mark.parametrize("name", JUDGED)
@pytest.mark.parametrize("change", [{"weights_sha256": "0" * 64}, {"final": {}}, {"batch_order_sha256": ("0" * 64,)}])
def test_a_check_fails_for_the_smallest_difference_in_the_record(pair, tmp_path, name, change):
    one, same, _ = pair
    write_record(tmp_path / "record.json", same.record.model_copy(update=change))
    (tmp_path / "curves.jsonl").write_bytes((same.run_dir / "curves.jsonl").read_bytes())
    assert verdict_of(name, one.run_dir, tmp_path).verdict != "bitwise"


def test_the_cadence_check_looks_at_every_loss(pair, tmp_path):
    one, same, _ = pair
    events = [json.loads(line) for line in (same.run_dir / "curves.jsonl").read_text().splitlines()]
    events[0]["loss"] += 1e-12
    (tmp_path / "curves.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    found = compare_training(one, RunOnDisk(same.record, tmp_path))
    assert (found.verdict, found.differences) == ("different", (RunDifference(code="losses"),))


def test_runs_that_ended_without_weights_pass_nothing(pair, tmp_path):
    record = pair[0].record.model_copy(update={"weights_sha256": None, "status": "diverged"})
    run = RunOnDisk(record, tmp_path)
    found = compare_training(run, run)
    assert found.verdict == "different"
    assert found.differences == (RunDifference(code="no_weights", a="diverged", b="diverged"),)


def test_an_error_of_the_gradient_above_rounding_fails():
    assert is_exact_gradient(3e-16)
    assert not is_exact_gradient(2e-9)


# Every head and every strategy


@pytest.mark.parametrize("head", HEADS)
def test_accumulation_is_exact_for_every_head(specs, tmp_path, head):
    event = accumulation_error(specs(head), tmp_path)
    assert event["n_passes"] >= 2
    assert is_exact_gradient(event["error"]), event


@pytest.mark.parametrize("kind", STRATEGIES)
def test_accumulation_is_exact_with_every_strategy(tmp_path, kind):
    spec = tiny_spec(*lopsided_study(tmp_path / "study"))
    event = accumulation_error(with_strategies(spec, SETTINGS[kind]), tmp_path / "run")
    assert is_exact_gradient(event["error"]), event


def test_passes_that_weigh_alike_whatever_they_hold_are_found_out(specs, tmp_path, monkeypatch):
    """The mistake of a mean over passes: the last one holds fewer examples and counts as much."""
    spec = specs("classification")
    real = accumulation.RunParts.__init__

    def unfair(run, *given):
        real(run, *given)
        exact = run.runner.loss_sum
        size = spec.training.batch_size
        run.runner.loss_sum = lambda logits, work, shape: exact(logits, work, shape) * size / (3 * work.n_targets)

    monkeypatch.setattr(accumulation.RunParts, "__init__", unfair)
    assert not is_exact_gradient(accumulation_error(spec, tmp_path)["error"])


@pytest.mark.parametrize("head", HEADS)
def test_cadence_makes_no_difference_to_any_head(specs, tmp_path, head):
    runs = [trained(with_training(specs(head), evaluate_every_steps=every), tmp_path / str(every)) for every in (1, 1000)]
    assert len(runs[0].record.evaluations) == 4
    assert len(runs[1].record.evaluations) == 1
    assert compare_training(*runs).verdict == "bitwise"


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=() if kind in QUICK else pytest.mark.slow) for kind in CERTIFIED])
def test_cadence_makes_no_difference_to_any_strategy_but_those_that_it_decides(tmp_path, kind):
    spec = with_strategies(tiny_spec(*lopsided_study(tmp_path / "study")), SETTINGS[kind])
    runs = [trained(with_training(spec, evaluate_every_steps=every), tmp_path / str(every)) for every in (1, 1000)]
    assert compare_training(*runs).verdict == "bitwise"


@pytest.mark.parametrize("kind", BY_VALIDATION)
def test_the_strategies_left_out_of_the_cadence_check_do_depend_on_it(tmp_path, kind):
    spec = with_strategies(tiny_spec(*lopsided_study(tmp_path / "study")), SETTINGS[kind])
    runs = [trained(with_training(spec, evaluate_every_steps=every), tmp_path / str(every)) for every in (1, 1000)]
    assert compare_training(*runs).verdict == "different"


# The whole of it


@pytest.mark.slow
def test_a_certificate_is_made_in_processes_that_are_killed_reused_and_share_the_machine(tmp_path):
    study, card = tiny_study(tmp_path / "study", arms={"full": {"strategies": [{"kind": "swa", "last": 2}]}})
    spec = tiny_spec(study, card)
    record = train_run(spec, run_dir=tmp_path / "run")
    results = {result.check: result for result in certify(record, spec, tmp_path / "certificate", lambda check: None)}
    assert results.keys() == CHECKS.keys()
    assert {name for name, result in results.items() if result.passed is not True} == {"data_workers"}
    assert results["kill_and_resume"].details == CheckDetails(killed_after_step=6, resumed_from_step=3)
    assert results["evaluation_cadence"].details == CheckDetails(left_out=("swa",))
    assert results["beside_others"].details == CheckDetails(overlapped=True)
    assert results["accumulation"].details == CheckDetails(n_examples=5, n_passes=3)
    assert results["accumulation"].gradient_error is not None
    assert {result.n_steps for result in results.values()} == {15}


def test_the_shortened_run_is_the_beginning_of_the_run(tmp_path):
    spec = tiny_spec(*tiny_study(tmp_path), epochs=5)
    short = shortened(train_run(spec, run_dir=tmp_path / "run"))
    assert (short.training.max_steps, short.training.epochs, short.training.evaluate_every_steps) == (20, None, 10)
    assert short.seeds == spec.seeds
    assert short.strategies == spec.strategies
    assert short.training.dropout == spec.training.dropout
    assert short.digest != spec.digest


def test_a_batch_of_one_cannot_be_cut_and_is_not_judged():
    assert judged(CheckRuns("accumulation", details=CheckDetails(n_examples=1, n_passes=1))) is None


def test_the_run_in_which_most_parameters_learn_is_chosen(pair):
    record = pair[0].record
    frozen = record.model_copy(update={"n_trainable_parameters": 10})
    later = record.model_copy(update={"spec": record.spec.model_copy(update={"index": 1})})
    assert chosen_for_certificate([frozen, later, record]) == record
