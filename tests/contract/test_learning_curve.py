"""A run that trains on a subset sees exactly its examples; everything that depends on the training set follows them."""

from __future__ import annotations

import numpy as np
import pytest

from bertft_core.data.prepared_split import open_split
from bertft_core.data.train_subset import subset_rows
from bertft_core.metrics import METRICS
from bertft_core.planning.run_specs import plan_runs
from bertft_core.training.cost_estimate import planned_steps
from bertft_core.training.determinism import configure
from bertft_core.training.run import RunParts, device_of, train_run
from tests.helpers.interrupted_runs import interrupted, result_in
from tests.helpers.tiny_studies import tiny_study

FROZEN = [{"kind": "feature_extraction"}]
RARE = [{"kind": "oversampling"}, {"kind": "class_weights"}]
ARMS = {
    "full": {},
    "frozen": {"strategies": FROZEN},
    "curve": {"learning_curve": {"sizes": [9, 24]}},
    "features": {"learning_curve": {"sizes": [9, 24]}, "strategies": FROZEN},
    "rare": {"train_examples": 9, "strategies": RARE},
}


@pytest.fixture(scope="module")
def specs(tmp_path_factory):
    study, card = tiny_study(tmp_path_factory.mktemp("curve"), arms=ARMS, training={"epochs": 2}, seeds={"n": 2})
    return card, {(spec.arm, spec.index): spec for spec in plan_runs(study, card, {})}


def parts_of(spec, run_dir):
    run_dir.mkdir(exist_ok=True)
    configure(spec.threads, device_of(spec))
    return RunParts(spec, run_dir, device_of(spec), lambda event: None)


def seen_by(run):
    """The ids of the examples of an epoch, in the order in which they are trained on."""
    ids = run.splits["train"].example_ids
    return [ids[i] for step in range(run.loop.steps.steps_per_epoch) for i in run.loop.steps.indices(step)]


def test_a_run_sees_exactly_its_subset(specs, tmp_path):
    card, planned = specs
    whole = open_split(card.directory, "train")
    seen = {}
    for key in (("curve-n09", 0), ("curve-n09", 1), ("curve-n24", 0)):
        spec = planned[key]
        run = parts_of(spec, tmp_path / "run")
        rows = subset_rows(whole.n, whole.labels, spec.train_examples, spec.seeds.examples)
        seen[key] = seen_by(run)
        assert sorted(seen[key]) == sorted(whole.example_ids[i] for i in rows)
        assert run.loop.steps.n_steps == planned_steps(spec, card).n_steps
    assert set(seen["curve-n09", 0]) < set(seen["curve-n24", 0]) == set(whole.example_ids)
    assert set(seen["curve-n09", 0]) != set(seen["curve-n09", 1])


def test_the_record_and_the_strategies_count_the_subset(specs, tmp_path):
    card, planned = specs
    spec = planned["rare", 0]
    run = parts_of(spec, tmp_path / "run")
    counts = np.bincount(run.splits["train"].labels)
    assert sorted(counts) == [4, 5]
    assert run.plan.context.label_counts.tolist() == counts.tolist()
    assert run.loop.steps.n_per_epoch == planned_steps(spec, card).n_per_epoch == 10
    record = train_run(spec, run_dir=tmp_path / "run")
    assert (record.n_train_examples, record.n_steps) == (9, planned_steps(spec, card).n_steps)
    gold = [split.table.select(["example_id", "label"]) for split in (run.splits["train"], run.splits["validation"])]
    assert record.majority_score == METRICS["classification"].majority(*gold, spec.labels)["accuracy"]


@pytest.mark.parametrize(("whole", "curve"), [("full", "curve-n24"), ("frozen", "features-n24")])
def test_the_subset_of_all_examples_is_the_whole_training_set_bit_for_bit(specs, tmp_path, whole, curve):
    _, planned = specs
    records = [train_run(planned[arm, 0], run_dir=tmp_path / arm) for arm in (whole, curve)]
    assert records[0].digest != records[1].digest
    assert records[0].weights_sha256 == records[1].weights_sha256


@pytest.mark.parametrize("arm", ["curve-n09", "features-n09"])
def test_a_run_on_a_subset_is_resumed_with_the_same_bits(specs, tmp_path, arm):
    _, planned = specs
    spec = planned[arm, 0]
    train_run(spec, run_dir=tmp_path / "unbroken")
    interrupted(spec, tmp_path / "broken", "step", 3)
    train_run(spec, run_dir=tmp_path / "broken")
    assert result_in(tmp_path / "broken") == result_in(tmp_path / "unbroken")


def test_stored_states_of_a_subset_are_those_of_the_whole_split(specs, tmp_path):
    _, planned = specs
    part, whole = (parts_of(planned[arm, 0], tmp_path / arm) for arm in ("features-n09", "features-n24"))
    (states, starts), (of_all, all_starts) = part.runner.features["train"], whole.runner.features["train"]
    ids = whole.splits["train"].example_ids
    for i, name in enumerate(part.splits["train"].example_ids):
        row = ids.index(name)
        assert states[starts[i] : starts[i + 1]].equal(of_all[all_starts[row] : all_starts[row + 1]])
