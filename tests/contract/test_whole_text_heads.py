"""Heads over whole texts: logits worked out by hand for every pooling and family, losses and gradients those of transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification

from bertft_core.config import UserError
from bertft_core.config.head_settings import HEAD_CONFIGS
from bertft_core.data.alignment import ALIGNMENTS
from bertft_core.data.batching import padded
from bertft_core.data.prepared_split import PreparedSplit, open_split
from bertft_core.heads import HEADS
from bertft_core.heads.head_parts import HEAD_PARTS
from bertft_core.heads.inputs import HeadInputs
from bertft_core.heads.regression import folded, standardise, target_std
from bertft_core.heads.saved_model import load_model
from bertft_core.training.determinism import configure
from bertft_core.training.model_runner import ModelRunner
from bertft_core.training.weights import save_model
from tests.helpers.tiny_encoders import KINDS
from tests.helpers.tiny_studies import tiny_study
from tests.helpers.trainer_parity import batch_of, labels_for_transformers

CPU = torch.device("cpu")
HEAD_KINDS = ("classification", "multi_label", "regression")
SOME = np.array([3, 17, 0, 11, 6])


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    configure(1, CPU)


@pytest.fixture(scope="module", params=KINDS)
def family(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def cards(family, tmp_path_factory) -> dict[str, Any]:
    """Head kind → the prepared data of pairs of texts."""
    make = tmp_path_factory.mktemp
    return {head: tiny_study(make(head), kind=family, pairs=True, head={"kind": head})[1] for head in HEAD_KINDS}


def case(cards: dict[str, Any], kind: str, how: str) -> tuple[Any, PreparedSplit, ModelRunner]:
    """A model whose head says something, in evaluation mode; its training data; its forward."""
    card, config = cards[kind], HEAD_CONFIGS[kind](pooling=how)
    torch.manual_seed(5)
    model = HEADS[kind].build(card.encoder_dir, card.labels, None, config).eval()
    for name, parameter in model.named_parameters():
        if not name.startswith(model.base_model_prefix + "."):
            nn.init.normal_(parameter, std=0.5)
    return model, open_split(card.directory, "train"), ModelRunner(model, config, CPU)


def by_hand(model: Any, split: PreparedSplit, i: int, how: str) -> Tensor:
    """Logits [k] of one text alone, with nothing padded: the vector of the text, then the family's last linear layer."""
    types = split.token_type_ids(i)
    inputs = padded(split.input_ids(i), types, np.array([split.lengths[i]]), split.pad_token_id)
    states = model.base_model(**inputs).last_hidden_state[0]
    vector = {"cls": states[0], "mean": states.sum(0) / len(states)}[how]
    last = model.classifier if isinstance(model.classifier, nn.Linear) else model.classifier.out_proj
    return last.weight @ vector + last.bias


@pytest.mark.parametrize("how", ["cls", "mean"])
@pytest.mark.parametrize("kind", HEAD_KINDS)
def test_logits_and_gradients_of_cls_and_mean_are_those_worked_out_by_hand(cards, kind, how):
    model, split, forward = case(cards, kind, how)
    logits = forward.logits(split, SOME)
    assert logits.shape == (5, {"classification": 2, "multi_label": 3, "regression": 1}[kind])
    forward.use_packed_attention(False)
    expected = torch.stack([by_hand(model, split, int(i), how) for i in SOME])
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=0)
    assert float(expected.detach().std(0).min()) > 1e-3, "the texts differ"
    found, wanted = (torch.autograd.grad((x**2).sum(), list(model.parameters()), allow_unused=True) for x in (logits, expected))
    assert sum(gradient is not None for gradient in wanted) > 30
    for (name, _), ours, theirs in zip(model.named_parameters(), found, wanted, strict=True):
        assert (ours is None) == (theirs is None), name
        if theirs is not None:
            scale = max(1.0, float(theirs.abs().max()))
            torch.testing.assert_close(ours / scale, theirs / scale, atol=2e-5, rtol=0)


@pytest.mark.parametrize("kind", HEAD_KINDS)
def test_logits_and_mean_loss_of_the_pooler_are_those_of_transformers(cards, kind):
    model, split, forward = case(cards, kind, "pooler")
    assert isinstance(model, type(AutoModelForSequenceClassification.from_config(model.config)))
    work = forward.head_inputs(split, SOME)
    logits = forward.logits(split, SOME, work)
    loss = forward.loss_sum(logits, work) / work.n_targets
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    forward.use_packed_attention(False)
    theirs = model(**batch_of(split, SOME), labels=labels_for_transformers(kind, split, SOME))
    torch.testing.assert_close(logits, theirs.logits, atol=1e-5, rtol=0)
    torch.testing.assert_close(loss, theirs.loss, atol=1e-5, rtol=0)
    for (name, parameter), gradient in zip(model.named_parameters(), gradients, strict=True):
        (expected,) = torch.autograd.grad(theirs.loss, [parameter], retain_graph=True)
        torch.testing.assert_close(gradient, expected, atol=2e-5, rtol=1e-3, msg=name)


@pytest.mark.parametrize("how", ["pooler", "cls", "mean"])
@pytest.mark.parametrize("kind", ["multi_label", "regression"])
@torch.no_grad()
def test_stored_states_give_the_same_logits(cards, kind, how):
    _, split, forward = case(cards, kind, how)
    assert forward.separable(split)
    expected = forward.logits(split, SOME)
    rows = forward.evaluate(split, lambda split, indices: [states_of(forward, split, i) for i in indices])
    forward.features = {split.name: (torch.cat(rows), np.concatenate([[0], np.cumsum([len(row) for row in rows])]))}
    torch.testing.assert_close(forward.logits(split, SOME), expected, atol=1e-5, rtol=0)


def states_of(forward: ModelRunner, split: PreparedSplit, i: int) -> Tensor:
    return forward.states(forward.head_inputs(split, np.array([i])))


@pytest.mark.parametrize("how", ["pooler", "mean"])
@pytest.mark.parametrize("kind", HEAD_KINDS)
def test_predictions_are_the_outputs_of_every_text_in_order(cards, kind, how):
    _, split, forward = case(cards, kind, how)
    table = forward.predict(split)
    with torch.no_grad():
        logits = torch.cat([forward.logits(split, np.array([i])) for i in range(split.n)])
    assert table.select(["example_id", "label"]).equals(ALIGNMENTS[kind].gold(split))
    if kind == "regression":
        assert table.schema.field("predicted").type == pa.float32()
        np.testing.assert_allclose(table["predicted"].to_pylist(), logits[:, 0], atol=1e-5)
    else:
        assert table.schema.field("logits").type == pa.list_(pa.float32(), logits.shape[1])
        np.testing.assert_allclose(table["logits"].to_pylist(), logits, atol=1e-5)


# Numbers in units of their own


@pytest.mark.parametrize("how", ["pooler", "mean"])
def test_a_standardised_model_answers_in_units_of_the_targets_and_its_saved_weights_do_too(cards, tmp_path, how):
    plain, split, forward = case(cards, "regression", how)
    model, _, standardised = case(cards, "regression", how)
    train = Targets(np.array([1000.0, 1300.0, 900.0]))
    mean, std = train.targets.mean(), train.targets.std()
    standardise(model, train, HEAD_CONFIGS["regression"]())
    work = forward.head_inputs(split, SOME)
    before, after = forward.logits(split, SOME, work), standardised.logits(split, SOME, work)
    torch.testing.assert_close(after, before * std + mean, rtol=1e-6, atol=0)
    targets = torch.from_numpy(work.targets)
    expected = (((before[:, 0].double() * std + mean - targets) / std) ** 2).sum().float()
    torch.testing.assert_close(standardised.loss_sum(after, work), expected, rtol=1e-5, atol=0)
    standardised.use_packed_attention(False)
    save_model(model, standardised.config, Path(cards["regression"].encoder_dir), tmp_path / "model")
    opened = load_model(tmp_path / "model")
    torch.testing.assert_close(opened(batch_of(split, SOME)), after.detach(), rtol=1e-6, atol=0)
    saved, names = opened.model.state_dict(), {name for name, _ in plain.named_parameters()}
    changed = {name for name in names if not torch.equal(saved[name], plain.state_dict()[name])}
    assert len(changed) == 2, "the last layer's weight and bias"


class Targets(NamedTuple):
    """As much of a split as standardising asks for."""

    targets: np.ndarray

    def values(self, column: str) -> np.ndarray:
        assert column == "label"
        return self.targets


def test_equal_targets_are_only_shifted(one_card):
    model = HEADS["regression"].build(one_card.encoder_dir, (), None, HEAD_CONFIGS["regression"]())
    assert folded(model) == {}
    before = model.classifier.bias.item()
    standardise(model, Targets(np.array([4.0, 4.0])), HEAD_CONFIGS["regression"]())
    weights = folded(model)
    assert torch.equal(weights["classifier.weight"], model.classifier.weight)
    assert weights["classifier.bias"].item() == before + 4
    assert target_std(model) == 1.0


# What needs no family of its own


@pytest.fixture(scope="module")
def one_card(tmp_path_factory) -> Any:
    return tiny_study(tmp_path_factory.mktemp("one"))[1]


def work_of(windows_of: list[int], targets: np.ndarray) -> HeadInputs:
    lengths = np.ones(sum(windows_of), np.int64)
    return HeadInputs(np.zeros(len(lengths), np.int32), None, lengths, np.array(windows_of), None, len(windows_of), targets)


def test_the_loss_of_labels_is_over_cells_and_that_of_numbers_over_texts():
    logits = torch.tensor([[0.0, 2.0, -1.0], [1.0, 1.0, 1.0]])
    targets = np.array([[0, 1, 0], [1, 0, 0]], np.int8)
    loss = HEADS["multi_label"].loss_sum(None, logits, work_of([1, 1], targets), HEAD_CONFIGS["multi_label"]())
    probabilities = 1 / (1 + np.exp(-logits.numpy()))
    expected = -np.log(np.where(targets == 1, probabilities, 1 - probabilities)).sum()
    assert float(loss) == pytest.approx(expected, abs=1e-6)
    numbers = np.array([1.5, -2.0])
    loss = HEADS["regression"].loss_sum(
        None, torch.tensor([[1.0], [2.0]]), work_of([1, 1], numbers), HEAD_CONFIGS["regression"]()
    )
    assert float(loss) == 0.25 + 16


@pytest.mark.parametrize("kind", ["multi_label", "regression"])
@pytest.mark.parametrize(("aggregate", "expected"), [("mean", [2.0, 5.0]), ("max", [3.0, 5.0])])
def test_the_loss_and_output_of_a_long_text_are_over_the_text(kind, aggregate, expected):
    config = HEAD_CONFIGS[kind](aggregate=aggregate)
    targets = np.array([[1], [0]], np.int8) if kind == "multi_label" else np.array([1.0, 0.0])
    work = work_of([2, 1], targets)
    logits = torch.tensor([[1.0], [3.0], [5.0]])
    assert np.ravel(HEADS[kind].outputs(None, logits, work, config)).tolist() == expected
    whole = HEADS[kind].loss_sum(None, torch.tensor(expected)[:, None], work_of([1, 1], targets), config)
    assert HEADS[kind].loss_sum(None, logits, work, config) == whole


@pytest.mark.parametrize("kind", HEAD_KINDS)
def test_a_pooling_that_a_family_cannot_have_is_refused(one_card, monkeypatch, kind):
    monkeypatch.delitem(HEAD_PARTS, "bert")
    HEADS[kind].build(one_card.encoder_dir, ("a", "b"), None, HEAD_CONFIGS[kind]())
    with pytest.raises(UserError, match=r"head\.pooling: mean .* 'bert'"):
        HEADS[kind].build(one_card.encoder_dir, ("a", "b"), None, HEAD_CONFIGS[kind](pooling="mean"))


@torch.no_grad()
def test_a_family_whose_parts_are_not_known_goes_through_its_own_forward(tmp_path, monkeypatch):
    _, card = tiny_study(tmp_path, kind="distilbert")
    torch.manual_seed(5)
    model = HEADS["classification"].build(card.encoder_dir, card.labels, None, HEAD_CONFIGS["classification"]()).eval()
    split = open_split(card.directory, "train")
    forward = ModelRunner(model, HEAD_CONFIGS["classification"](), CPU)
    assert forward.separable(split)
    expected = forward.logits(split, SOME)
    monkeypatch.delitem(HEAD_PARTS, "distilbert")
    assert not forward.separable(split)
    torch.testing.assert_close(forward.logits(split, SOME), expected, atol=1e-5, rtol=0)
