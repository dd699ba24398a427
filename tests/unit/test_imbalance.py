"""Class weights, oversampling and stratified batches: counts, formulas, and the stream they are drawn from."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight

from bertft_core.config import UserError
from bertft_core.loss_shapes import LossShape, binary_cross_entropy_sum
from bertft_core.strategies.class_weights import balanced, effective_number, negatives_over_positives
from bertft_core.strategies.oversampling import n_more
from bertft_core.strategies.stratified_batches import stratified
from bertft_core.training.cost_estimate import planned_steps
from tests.helpers.every_strategy import lopsided_study, started, with_strategies
from tests.helpers.tiny_studies import tiny_questions, tiny_spec, tiny_study, tiny_tagged_study


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    return tiny_spec(*lopsided_study(tmp_path_factory.mktemp("study")))


def test_balanced_weights_are_those_of_scikit_learn():
    labels = np.repeat([0, 1, 2], [5, 20, 75])
    theirs = compute_class_weight("balanced", classes=np.array([0, 1, 2]), y=labels)
    assert balanced(np.array([5, 20, 75])) == pytest.approx(theirs)
    assert balanced(np.array([5, 0]))[1] == 1.0


def test_effective_numbers_are_those_of_cui():
    counts, beta = np.array([10, 1000]), 0.99
    raw = [(1 - beta) / (1 - beta**n) for n in counts]
    assert effective_number(counts, beta) == pytest.approx([2 * value / sum(raw) for value in raw])
    assert effective_number(np.array([3, 900]), 0.0) == pytest.approx([1.0, 1.0])
    assert effective_number(np.array([3, 0, 900]), 0.999)[1] == 1.0


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [2.0, 2 / 3]),  # 4 negative, 12 positive
        ({"weights": {"negative": 3.0}}, [3.0, 1.0]),
        ({"weights": {"positive": 0.0}}, [1.0, 0.0]),
    ],
)
def test_a_run_weighs_its_labels(spec, tmp_path, settings, expected):
    plan = started(with_strategies(spec, {"kind": "class_weights"} | settings), tmp_path).plan
    assert plan.context.labels == ("negative", "positive")
    assert plan.losses.class_weights.tolist() == pytest.approx(expected)


def test_a_label_that_is_not_there_is_refused_with_the_nearest(tmp_path):
    with pytest.raises(UserError, match=r"arms\.odd\.strategies: .* not in the data") as shown:
        lopsided_study(tmp_path, arms={"odd": {"strategies": [{"kind": "class_weights", "weights": {"positiv": 2.0}}]}})
    assert shown.value.hint == "did you mean 'positive'?"


def test_the_labels_of_many_are_weighed_by_negatives_over_positives(tmp_path):
    spec = tiny_spec(*tiny_study(tmp_path, head="multi_label"))
    plan = started(with_strategies(spec, {"kind": "class_weights"}), tmp_path / "run").plan
    positives = plan.context.label_counts
    assert plan.context.n_targets_per_label == 24
    assert plan.losses.class_weights.tolist() == pytest.approx(((24 - positives) / positives).tolist())


def test_a_label_that_is_always_or_never_on_weighs_one_and_is_learned():
    """Without weights it is learned too; by the formula one that is always on would weigh 0 and have no gradient at all."""
    weights = negatives_over_positives(np.array([24, 6, 0, 12]), 24)
    assert weights.tolist() == [1.0, 3.0, 1.0, 1.0]
    logits, targets = torch.zeros(2, 4, requires_grad=True), torch.tensor([[1.0, 0.0, 0.0, 1.0], [1.0, 1.0, 0.0, 0.0]])
    binary_cross_entropy_sum(logits, targets, LossShape(torch.from_numpy(weights))).backward()
    assert bool((logits.grad != 0).all())


def test_the_tags_of_words_are_counted_by_words(tmp_path):
    spec = tiny_spec(*tiny_tagged_study(tmp_path))
    plan = started(with_strategies(spec, {"kind": "class_weights"}), tmp_path / "run").plan
    split = started(spec, tmp_path / "plain").splits["train"]
    words = np.concatenate([split.ragged("tags", i) for i in range(split.n)])
    assert plan.context.label_counts.tolist() == np.bincount(words, minlength=len(spec.labels)).tolist()
    assert plan.losses.class_weights.tolist() == pytest.approx(balanced(plan.context.label_counts).tolist())


# Oversampling


@pytest.mark.parametrize(
    ("counts", "ratio", "more"),
    [
        ([4, 12], 1.0, [8, 0]),
        ([4, 12], 0.5, [2, 0]),
        ([4, 12], 0.3, [0, 0]),
        ([4, 12], 0.0, [0, 0]),
        ([1, 3, 10], 0.25, [2, 0, 0]),
        ([1, 0, 10], 1.0, [9, 0, 0]),
    ],
)
def test_rare_classes_are_filled_up_to_their_share(counts, ratio, more):
    assert n_more(np.array(counts), ratio).tolist() == more


def epochs(run, n: int) -> list[list[int]]:
    plan = run.loop.steps
    return [
        np.concatenate([plan.indices(e * plan.steps_per_epoch + s) for s in range(plan.steps_per_epoch)]).tolist()
        for e in range(n)
    ]


def test_an_oversampled_epoch_has_every_example_and_as_many_of_each_class(spec, tmp_path):
    run = started(with_strategies(spec, {"kind": "oversampling"}), tmp_path)
    assert (run.loop.steps.n_per_epoch, run.loop.steps.steps_per_epoch, run.loop.steps.n_steps) == (24, 6, 12)
    labels = run.splits["train"].labels
    first, second = epochs(run, 2)
    for epoch in (first, second):
        assert set(epoch) == set(range(16))
        assert np.bincount(labels[epoch]).tolist() == [12, 12]
        assert {epoch.count(i) for i in np.flatnonzero(labels == 0)} == {3}, "all of them equally often"
    assert first != second


@pytest.mark.parametrize("kind", ["oversampling", "stratified_batches"])
def test_both_draw_from_the_order_stream_alone(spec, tmp_path, kind):
    def orders(name: str, **seeds: int) -> list[list[int]]:
        chosen = spec.model_copy(update={"seeds": spec.seeds.model_copy(update=seeds)})
        return epochs(started(with_strategies(chosen, {"kind": kind}), tmp_path / name), 2)

    np.random.seed(1), torch.manual_seed(1)
    first = orders("a")
    np.random.seed(2), torch.manual_seed(2)
    assert first == orders("b", init=1, dropout=2)
    assert first != orders("c", order=3)


# Stratified batches


@pytest.mark.parametrize("counts", [[50, 50], [10, 90], [3, 500], [20, 30, 50], [1, 1, 98]])
def test_every_batch_has_about_its_share_of_every_class(counts):
    classes = np.repeat(np.arange(len(counts)), counts)
    for seed in range(20):
        order = stratified(np.random.default_rng(seed), np.arange(len(classes)), classes)
        assert sorted(order.tolist()) == list(range(len(classes)))
        for size in (4, 10, 16):
            for start in range(0, len(classes) - size + 1, size):
                found = np.bincount(classes[order[start : start + size]], minlength=len(counts))
                assert np.abs(found - size * np.array(counts) / len(classes)).max() < len(counts)


def test_batches_of_an_oversampled_epoch_are_balanced(spec, tmp_path):
    run = started(with_strategies(spec, {"kind": "oversampling"}, {"kind": "stratified_batches"}), tmp_path)
    labels = run.splits["train"].labels
    for step in range(12):
        assert 1 <= labels[run.loop.steps.indices(step)].sum() <= 3
    assert epochs(run, 2)[0] != epochs(run, 2)[1]


def test_the_class_of_a_question_is_whether_it_has_an_answer(tmp_path):
    run = started(with_strategies(tiny_spec(*tiny_questions(tmp_path)), {"kind": "oversampling"}), tmp_path / "run")
    assert np.bincount(run.plan.context.classes).tolist() == [8, 16]
    assert run.loop.steps.n_per_epoch == 32


def test_the_class_of_many_labels_is_their_set(tmp_path):
    run = started(
        with_strategies(tiny_spec(*tiny_study(tmp_path, head="multi_label")), {"kind": "oversampling"}), tmp_path / "run"
    )
    sets = [tuple(row) for row in run.splits["train"].matrix("label").tolist()]
    chosen = [sets[i] for i in epochs(run, 1)[0]]
    assert {chosen.count(one) for one in set(sets)} == {max(sets.count(one) for one in set(sets))}


def test_a_plan_of_an_oversampled_arm_knows_its_steps(tmp_path):
    study, card = lopsided_study(tmp_path, arms={"plain": {}, "more": {"strategies": [{"kind": "oversampling"}]}})
    plain, more = (planned_steps(tiny_spec(study, card, arm), card) for arm in ("plain", "more"))
    assert (plain.n_per_epoch, plain.n_steps) == (16, 8)
    assert (more.n_per_epoch, more.n_steps) == (24, 12)
