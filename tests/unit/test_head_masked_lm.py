"""The masked-LM head: logits, losses and gradients are those of the plain transformers model, however they are cut."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import AutoModelForMaskedLM

from bertft_core.config.head_settings import MaskedLMHead
from bertft_core.data.alignment import ALIGNMENTS
from bertft_core.data.batching import padded
from bertft_core.data.prepared_split import PreparedSplit, open_split
from bertft_core.heads import masked_lm
from bertft_core.heads.head_parts import HEAD_PARTS
from bertft_core.heads.inputs import HeadInputs
from bertft_core.masking import Vocabulary
from bertft_core.training.determinism import configure, init_stream, masking_draw
from bertft_core.training.model_runner import ModelRunner
from tests.helpers.tiny_encoders import KINDS
from tests.helpers.tiny_studies import tiny_study

CPU = torch.device("cpu")
HEAD = MaskedLMHead()
INDICES = np.array([3, 17, 0, 11, 6])
BLOCKS = 12
"""max_length: the tiny tokenizer cuts words into letters, so most texts have several blocks."""


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    configure(1, CPU)


@pytest.fixture(scope="module", params=[*KINDS, "xlm-roberta", "camembert"])
def case(request, tmp_path_factory) -> tuple[str, Any, PreparedSplit]:
    """Family, model in evaluation mode with a head that is not small, training split."""
    return made(request.param, tmp_path_factory.mktemp(request.param))


def made(kind: str, directory: Path) -> tuple[str, Any, PreparedSplit]:
    _, card = tiny_study(directory, kind=kind, head="masked_lm", data={"max_length": BLOCKS})
    with init_stream(5):
        model = masked_lm.build(card.encoder_dir, card.labels, None, HEAD)
        for name, parameter in model.named_parameters():
            if not name.startswith(model.base_model_prefix + ".") and "decoder.weight" not in name:
                nn.init.normal_(parameter, std=0.5)
    return kind, model.eval(), open_split(card.directory, "train")


def plain_logits(model: Any, work: HeadInputs) -> torch.Tensor:
    """[T, vocabulary] as a user of transformers would compute them: one padded batch of blocks."""
    model.set_attn_implementation("eager")
    batch = padded(work.input_ids, work.token_type_ids, work.window_lengths, model.config.pad_token_id or 0)
    return model(**batch).logits[batch["attention_mask"].bool()]


def plain_loss(model: Any, work: HeadInputs) -> torch.Tensor:
    logits = plain_logits(model, work)[torch.from_numpy(work.positions)]
    return nn.functional.cross_entropy(logits, torch.from_numpy(work.targets.ids), reduction="sum")


@torch.no_grad()
def rows_of(forward: ModelRunner, split: PreparedSplit, work: HeadInputs) -> list[Any]:
    return masked_lm.outputs(forward.model, forward.logits(split, INDICES, work), work, HEAD)


def gradients(model: Any) -> dict[str, torch.Tensor]:
    found = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad(set_to_none=True)
    return found


@torch.no_grad()
def test_logits_of_hidden_pieces_are_those_of_the_plain_model(case):
    _, model, split = case
    work = masked_lm.head_inputs(split, INDICES, HEAD)
    assert len(work.window_lengths) > len(INDICES), "some texts have several blocks"
    expected = plain_logits(model, work)[torch.from_numpy(work.positions)]
    forward = ModelRunner(model, HEAD, CPU)
    logits = masked_lm.logits_of(model, forward.logits(split, INDICES, work))
    assert logits.shape == (work.n_targets, model.config.vocab_size)
    torch.testing.assert_close(logits, expected, atol=2e-5, rtol=0)
    assert float(expected.std(dim=0).median()) > 0.1, "the places differ"


def test_loss_and_gradients_are_those_of_the_plain_model(case):
    _, model, split = case
    work = masked_lm.head_inputs(split, INDICES, HEAD, masking_draw(1, 2))
    expected_loss = plain_loss(model, work)
    expected_loss.backward()
    expected = gradients(model)
    forward = ModelRunner(model, HEAD, CPU)
    loss = forward.loss_sum(forward.logits(split, INDICES, work), work)
    loss.backward()
    found = gradients(model)
    torch.testing.assert_close(loss.detach(), expected_loss.detach(), atol=1e-3, rtol=1e-5)
    assert found.keys() == expected.keys()
    assert len(found) > 30
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, expected[name], atol=2e-3, rtol=1e-4, msg=name)


def test_the_vocabulary_layer_shares_its_weights_with_the_embeddings(case):
    _, model, _ = case
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight


def test_slices_of_the_vocabulary_layer_change_neither_loss_nor_gradient(case, monkeypatch):
    _, model, split = case
    forward, work = ModelRunner(model, HEAD, CPU), masked_lm.head_inputs(split, INDICES, HEAD)
    whole = forward.loss_sum(forward.logits(split, INDICES, work), work)
    whole.backward()
    expected, rows = gradients(model), rows_of(forward, split, work)
    monkeypatch.setattr(masked_lm, "MAX_LOGITS", 3 * model.config.vocab_size)
    sliced = forward.loss_sum(forward.logits(split, INDICES, work), work)
    sliced.backward()
    assert work.n_targets > 6
    torch.testing.assert_close(sliced, whole, rtol=1e-6, atol=1e-5)
    for name, gradient in gradients(model).items():
        torch.testing.assert_close(gradient, expected[name], atol=1e-4, rtol=1e-4, msg=name)
    again = rows_of(forward, split, work)
    assert [row[:2] for row in again] == [row[:2] for row in rows]
    np.testing.assert_allclose([row[2] for row in again], [row[2] for row in rows], rtol=1e-5)


@pytest.fixture(scope="module")
def bert(tmp_path_factory) -> tuple[Any, PreparedSplit]:
    return made("bert", tmp_path_factory.mktemp("bert"))[1:]


def test_a_family_that_is_not_known_goes_through_its_own_model(bert, monkeypatch):
    model, split = bert
    forward, work = ModelRunner(model, HEAD, CPU), masked_lm.head_inputs(split, INDICES, HEAD)
    known = forward.loss_sum(forward.logits(split, INDICES, work), work)
    monkeypatch.delitem(HEAD_PARTS, "bert")
    forward.use_packed_attention(False)
    assert masked_lm.head_forward(model, HEAD, work) is None
    values = forward.logits(split, INDICES, work)
    assert values.shape == (work.n_targets, model.config.vocab_size)
    torch.testing.assert_close(forward.loss_sum(values, work), known, rtol=1e-6, atol=1e-5)
    forward.use_packed_attention(True)


@torch.no_grad()
def test_deberta_with_its_newer_head_has_the_logits_of_the_plain_model(tmp_path):
    from transformers import DebertaV2Config

    _, _, split = made("deberta-v2", tmp_path)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    vocabulary_size = Vocabulary.from_metadata(split.metadata).size
    model = AutoModelForMaskedLM.from_config(
        DebertaV2Config(vocab_size=vocabulary_size, legacy=False, type_vocab_size=0, **sizes)
    )
    work = masked_lm.head_inputs(split, INDICES, HEAD)
    found = masked_lm.logits_of(model.eval(), ModelRunner(model, HEAD, CPU).logits(split, INDICES, work))
    torch.testing.assert_close(found, plain_logits(model, work)[torch.from_numpy(work.positions)], atol=1e-5, rtol=0)


# What is hidden


def test_training_hides_the_pieces_that_the_draw_chooses_and_shows_others_as_they_are(bert):
    _, split = bert
    vocabulary = Vocabulary.from_metadata(split.metadata)
    half = MaskedLMHead(masking_ratio=0.5)
    work = masked_lm.head_inputs(split, INDICES, half, masking_draw(1, 2))
    ids = np.concatenate([split.input_ids(i) for i in INDICES])
    hidden = np.zeros(len(ids), bool)
    hidden[work.positions] = True
    assert np.array_equal(work.input_ids[~hidden], ids[~hidden])
    assert np.array_equal(work.targets.ids, ids[hidden])
    ordinary = ~np.isin(ids, vocabulary.special_ids)
    assert not hidden[~ordinary].any()
    assert abs(hidden.sum() / ordinary.sum() - 0.5) < 0.03
    assert (work.input_ids[hidden] == vocabulary.mask_id).mean() > 0.6
    assert work.n_targets == hidden.sum() == work.targets.n_of.sum()


def test_masks_of_an_example_do_not_depend_on_its_batch_but_on_step_and_seed(bert):
    _, split = bert

    def seen(indices: list[int], seed: int = 1, step: int = 2) -> np.ndarray:
        return masked_lm.head_inputs(split, np.array(indices), HEAD, masking_draw(seed, step)).input_ids

    alone, other = seen([7]), split.input_ids(4)
    assert np.array_equal(seen([4, 7])[len(other) :], alone)
    assert np.array_equal(seen([7, 4])[: len(alone)], alone)
    assert np.array_equal(seen([7]), alone)
    assert not np.array_equal(seen([7], step=3), alone)
    assert not np.array_equal(seen([7], seed=2), alone)


def test_evaluation_hides_what_is_stored_whatever_the_ratio_of_training(bert):
    _, split = bert
    work = masked_lm.head_inputs(split, INDICES, HEAD)
    much = masked_lm.head_inputs(split, INDICES, MaskedLMHead(masking_ratio=0.6))
    assert np.array_equal(work.input_ids, much.input_ids)
    gold = ALIGNMENTS["masked_lm"].gold(split)["targets"].to_pylist()
    assert work.targets.ids.tolist() == [piece for i in INDICES for piece in gold[i]]


def test_a_text_without_anything_to_hide_weighs_nothing(bert, tmp_path):
    model, _ = bert
    path = tmp_path / "texts.txt"
    path.write_text("你好\n\ngood film\n")
    data = {"train": str(path), "validation": str(path), "test": None}
    _, card = tiny_study(tmp_path, head="masked_lm", data=data)
    split = open_split(card.directory, "train")
    forward, empty = ModelRunner(model, HEAD, CPU), np.array([0])
    work = masked_lm.head_inputs(split, empty, HEAD)
    assert work.n_targets == 0
    loss = forward.loss_sum(forward.logits(split, empty, work), work)
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert all(float(gradient.abs().sum()) == 0.0 for gradient in gradients(model).values())
    table = forward.predict(split)
    assert table.column_names == ["example_id", "n_masked", "n_correct", "loss"]
    assert table["n_masked"].to_pylist() == [0, 1]
    assert table["loss"][0].as_py() == 0.0


def test_losses_that_are_not_finite_make_no_predictions(bert):
    model, split = bert
    bias = model.cls.predictions.bias
    kept = bias.detach().clone()
    with torch.no_grad():
        bias.fill_(math.inf)
    try:
        assert ModelRunner(model, HEAD, CPU).predict(split) is None
    finally:
        with torch.no_grad():
            bias.copy_(kept)


@torch.no_grad()
def test_reduced_precision_reaches_the_vocabulary_layer(bert):
    model, split = bert
    work = masked_lm.head_inputs(split, INDICES, HEAD)
    exact, reduced = (ModelRunner(model, HEAD, CPU, precision).logits(split, INDICES, work) for precision in ("fp32", "bf16"))
    assert (exact.dtype, reduced.dtype) == (torch.float32, torch.bfloat16)
    losses = [float(masked_lm.loss_sum(model, values, work, HEAD)) for values in (exact, reduced)]
    assert losses[0] != losses[1]
    assert abs(losses[0] - losses[1]) < 0.05 * losses[0]
