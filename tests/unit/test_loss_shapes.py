"""Focal loss, label smoothing and class weights against torch and by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bertft_core.heads.question_answering import NO_TARGET
from bertft_core.loss_shapes import PLAIN, LossShape, binary_cross_entropy_sum, cross_entropy_sum
from tests.helpers.every_strategy import lopsided_study, started, with_strategies
from tests.helpers.tiny_studies import tiny_questions, tiny_spec

WEIGHTS = torch.tensor([0.5, 2.0, 1.0], dtype=torch.float64)


@pytest.fixture
def case() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(7, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    return logits, torch.randint(0, 3, (7,), generator=generator)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.5])
def test_without_focus_it_is_the_cross_entropy_of_torch(case, weights, epsilon):
    logits, targets = case
    theirs = nn.functional.cross_entropy(logits, targets, weight=weights, label_smoothing=epsilon, reduction="sum")
    assert torch.allclose(cross_entropy_sum(logits, targets, LossShape(weights, 0.0, epsilon)), theirs, atol=1e-12)


def test_the_plain_loss_is_plain(case):
    logits, targets = case
    assert torch.equal(cross_entropy_sum(logits, targets, PLAIN), nn.functional.cross_entropy(logits, targets, reduction="sum"))
    assert PLAIN.is_plain
    assert not LossShape(focal_gamma=0.1).is_plain


def test_the_focal_loss_by_hand():
    """p = 0.9 and 0.1 of the right answer, γ = 2: 0.01·0.10536 + 0.81·2.30259 = 1.86615."""
    logits = torch.tensor([[0.9, 0.1], [0.9, 0.1]], dtype=torch.float64).log()
    loss = cross_entropy_sum(logits, torch.tensor([0, 1]), LossShape(focal_gamma=2.0))
    assert loss.item() == pytest.approx(0.01 * 0.1053605157 + 0.81 * 2.302585093, rel=1e-9)


@pytest.mark.parametrize("shape", [LossShape(None, 2.0, 0.0), LossShape(WEIGHTS, 0.5, 0.1), LossShape(WEIGHTS, 1.0, 0.3)])
def test_the_gradients_are_right(case, shape):
    logits, targets = case
    assert torch.autograd.gradcheck(lambda values: cross_entropy_sum(values, targets, shape), (logits,))
    cells = nn.functional.one_hot(targets, 3).double()
    assert torch.autograd.gradcheck(lambda values: binary_cross_entropy_sum(values, cells, shape), (logits,))


@pytest.mark.parametrize("gamma", [0.1, 0.5, 1.0, 2.0])
def test_a_target_that_is_quite_right_has_a_finite_gradient(gamma):
    logits = torch.tensor([[200.0, -200.0]], requires_grad=True)
    cross_entropy_sum(logits, torch.tensor([0]), LossShape(focal_gamma=gamma)).backward()
    assert torch.isfinite(logits.grad).all()


def test_answers_that_are_none_take_no_part_in_smoothing():
    short = torch.tensor([[1.0, 2.0, 0.5]], dtype=torch.float64)
    padded = torch.cat([short, torch.full((1, 4), -torch.inf, dtype=torch.float64)], dim=1).requires_grad_(True)
    shape = LossShape(label_smoothing=0.2)
    loss = cross_entropy_sum(padded, torch.tensor([1]), shape)
    assert loss.item() == pytest.approx(cross_entropy_sum(short, torch.tensor([1]), shape).item(), rel=1e-12)
    loss.backward()
    assert torch.isfinite(padded.grad).all()


def test_many_labels_by_hand():
    """One cell on with p = 0.8, one off with p = 0.3: weight 3, ε = 0.2, no focus."""
    logits = torch.tensor([[0.8, 0.3]], dtype=torch.float64).logit()
    loss = binary_cross_entropy_sum(
        logits, torch.tensor([[1.0, 0.0]], dtype=torch.float64), LossShape(torch.tensor([3.0, 3.0]), 0.0, 0.2)
    )
    log = lambda p: torch.tensor(p, dtype=torch.float64).log().item()  # noqa: E731
    by_hand = -(0.9 * 3 * log(0.8) + 0.1 * log(0.2)) - (0.1 * 3 * log(0.3) + 0.9 * log(0.7))
    assert loss.item() == pytest.approx(by_hand, rel=1e-9)
    focal = binary_cross_entropy_sum(logits, torch.tensor([[1.0, 0.0]], dtype=torch.float64), LossShape(focal_gamma=2.0))
    assert focal.item() == pytest.approx(-(0.2**2) * log(0.8) - 0.3**2 * log(0.7), rel=1e-9)


def test_windows_that_teach_nothing_stay_silent_in_a_shaped_loss(tmp_path):
    """A shape that is almost plain gives almost the plain loss, windows without a target and padding among them."""
    run = started(tiny_spec(*tiny_questions(tmp_path)), tmp_path / "run")
    work = run.runner.head_inputs(run.splits["train"], range(24))
    for positions in (work.targets.starts, work.targets.ends):
        positions[2] = NO_TARGET
    with torch.no_grad():
        logits = run.runner.logits(run.splits["train"], range(24), work)
        plain, shaped = (run.runner.loss_sum(logits, work, shape) for shape in (PLAIN, LossShape(label_smoothing=1e-9)))
    assert plain.item() == pytest.approx(shaped.item(), rel=1e-5)


def test_the_validation_loss_is_plain_whatever_is_taught(tmp_path):
    spec = tiny_spec(*lopsided_study(tmp_path, training={"learning_rate": 1e-12}))
    shaped = with_strategies(
        spec, {"kind": "class_weights", "weights": {"negative": 50.0}}, {"kind": "label_smoothing", "epsilon": 0.5}
    )
    losses = {}
    for name, chosen in {"plain": spec, "shaped": shaped}.items():
        run = started(chosen, tmp_path / name)
        run.train()
        evaluation = run.loop.position.evaluations[0]
        losses[name] = evaluation.loss
        assert evaluation.loss == pytest.approx(evaluation.metrics["log_loss"], rel=1e-5), "nats for each example"
    assert losses["plain"] == pytest.approx(losses["shaped"], rel=1e-6)
