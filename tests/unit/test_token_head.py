"""The token head: logits, loss and gradients are those of the plain transformers model, word by word."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from bertft_core.config.head_settings import TokenClassificationHead
from bertft_core.config.training_settings import TrainingConfig
from bertft_core.data.prepared_split import open_split
from bertft_core.heads import token_classification
from bertft_core.heads.crf import CRF
from bertft_core.heads.head_parts import HEAD_PARTS
from bertft_core.metrics.tag_schemes import allowed_transitions, violations
from bertft_core.strategies.plan import FinetuningPlan
from bertft_core.training.determinism import configure
from bertft_core.training.model_runner import ModelRunner
from bertft_core.training.optimizer import build_optimizer, decayed_names
from tests.helpers.tiny_encoders import KINDS
from tests.helpers.tiny_studies import tiny_tagged_study
from tests.helpers.trainer_parity import plain_logits, plain_words

CPU = torch.device("cpu")
INDICES = np.array([6, 17, 0, 7, 2])
"""Some in one window and some in several."""
HEADS = {which: TokenClassificationHead(word_prediction=which) for which in ("first", "last", "mean")}
WITH_CRF = TokenClassificationHead(crf=True)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    configure(1, CPU)


@pytest.fixture(scope="module", params=KINDS)
def case(request, tmp_path_factory):
    """Model with a CRF in evaluation mode, training split."""
    _, card = tiny_tagged_study(tmp_path_factory.mktemp(request.param), kind=request.param, data={"max_length": 12})
    torch.manual_seed(5)
    model = token_classification.build(card.encoder_dir, card.labels, None, WITH_CRF)
    for name, parameter in model.named_parameters():  # fresh heads are so small that a wrong one would hardly show
        if not name.startswith(model.base_model_prefix + "."):
            nn.init.normal_(parameter, std=0.5)
    split = open_split(card.directory, "train")
    windows = [len(split.window_lengths(i)) for i in INDICES]
    assert min(windows) == 1
    assert max(windows) > 1
    return model.eval(), split, card.labels


@torch.no_grad()
@pytest.mark.parametrize("which", HEADS)
def test_words_have_the_logits_of_their_pieces_in_the_plain_model(case, which):
    model, split, _ = case
    expected = [plain_words(model, split, i, which) for i in INDICES]
    forward = ModelRunner(model, HEADS[which], CPU)
    work = forward.head_inputs(split, INDICES)
    assert work.n_targets == sum(map(len, expected))
    rows = forward.head.outputs(model, forward.logits(split, INDICES, work), work, HEADS[which])
    for row, words in zip(rows, expected, strict=True):
        np.testing.assert_allclose(row.logits, words.numpy(), atol=1e-5, rtol=0)
        assert row.logits.dtype == np.float32
        assert row.predicted.tolist() == row.logits.argmax(axis=1).tolist()
    assert float(torch.cat(expected).std(dim=0).min()) > 1e-3, "the words differ"


@torch.no_grad()
def test_first_last_and_mean_differ_where_words_have_several_pieces(case):
    model, split, _ = case
    first, last, mean = (plain_words(model, split, 6, which) for which in HEADS)
    several = split.ragged("word_lengths", 6) > 1
    assert several.any()
    assert not several.all()
    for other in (last, mean):
        assert torch.equal(first[~several], other[~several])
        assert (first[several] != other[several]).any(dim=1).all()


@pytest.mark.parametrize("which", HEADS)
def test_the_loss_is_transformers_own_with_labels_on_first_pieces_of_owners(case, which):
    model, split, _ = case
    expected, n_words = torch.tensor(0.0), 0
    for i in INDICES:
        labels = torch.full((len(split.input_ids(i)),), -100)
        labels[split.ragged("word_starts", i).tolist()] = torch.from_numpy(split.ragged("tags", i).astype(np.int64))
        expected = expected + nn.functional.cross_entropy(plain_logits(model, split, i), labels, reduction="sum")
        n_words += int((labels != -100).sum())
    model.zero_grad()
    expected.backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    forward = ModelRunner(model, HEADS[which], CPU)
    work = forward.head_inputs(split, INDICES)
    loss = forward.loss_sum(forward.logits(split, INDICES, work), work)
    loss.backward()
    assert work.n_targets == n_words
    torch.testing.assert_close(loss, expected, atol=1e-4, rtol=1e-5)
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert len(gradients) > 30
    assert not any(name.startswith("crf.") for name in found)
    for name in gradients.keys() | found.keys():
        scale = max(1.0, float(gradients[name].abs().max()))
        torch.testing.assert_close(found[name] / scale, gradients[name] / scale, atol=2e-5, rtol=0)


def test_the_crf_reads_whole_sentences_and_obeys_the_scheme(case):
    model, split, labels = case
    forward = ModelRunner(model, WITH_CRF, CPU)
    work = forward.head_inputs(split, INDICES)
    logits = forward.logits(split, INDICES, work)
    loss = forward.loss_sum(logits, work)
    words = [plain_words(model, split, i, "first") for i in INDICES]
    tags = [torch.from_numpy(split.ragged("tags", i).astype(np.int64)) for i in INDICES]
    one_by_one = [model.crf.neg_log_likelihood(w, t, [len(t)]) for w, t in zip(words, tags, strict=True)]
    torch.testing.assert_close(loss, torch.stack(one_by_one).sum(), atol=1e-4, rtol=1e-5)
    rows = forward.head.outputs(model, logits.detach(), work, WITH_CRF)
    for row, sentence in zip(rows, words, strict=True):
        (path,) = model.crf.decode(sentence, [len(sentence)])
        assert row.predicted.tolist() == path.tolist()
        assert violations([labels[tag] for tag in row.predicted], "iob2") == []
    noise = 5 * torch.randn(logits.shape, generator=torch.Generator().manual_seed(1))
    rows = forward.head.outputs(model, noise, work, WITH_CRF)
    assert not any(violations([labels[tag] for tag in row.predicted], "iob2") for row in rows)
    assert any(violations([labels[tag] for tag in row.logits.argmax(axis=1)], "iob2") for row in rows), "argmax would break it"
    model.zero_grad()
    loss.backward()
    assert all(float(p.grad.abs().max()) > 0 for name, p in model.named_parameters() if name.startswith("crf."))


@torch.no_grad()
@pytest.mark.parametrize("which", HEADS)
def test_the_head_behind_stored_states_gives_the_same_logits(case, which):
    model, split, _ = case
    forward = ModelRunner(model, HEADS[which], CPU)
    assert forward.separable(split)
    expected = forward.logits(split, INDICES)
    states = [forward.states(forward.head_inputs(split, np.array([i]))) for i in range(split.n)]
    starts = np.concatenate([[0], np.cumsum([len(of) for of in states])])
    forward.features = {split.name: (torch.cat(states), starts)}
    torch.testing.assert_close(forward.logits(split, INDICES), expected, atol=1e-5, rtol=0)


@torch.no_grad()
def test_a_family_that_is_not_known_goes_through_its_own_forward(case, monkeypatch):
    model, split, _ = case
    model.set_attn_implementation("eager")
    forward = ModelRunner(model, HEADS["mean"], CPU)
    expected = forward.logits(split, INDICES)
    monkeypatch.delitem(HEAD_PARTS, model.config.model_type)
    forward.use_packed_attention(False)
    assert not forward.separable(split)
    torch.testing.assert_close(forward.logits(split, INDICES), expected, atol=1e-5, rtol=0)


def test_labels_tell_the_crf_its_transitions(tmp_path):
    _, card = tiny_tagged_study(tmp_path, data={"train_scheme": "iobes"})
    assert len(card.labels) == 9
    torch.manual_seed(3)
    model = token_classification.build(card.encoder_dir, card.labels, None, WITH_CRF)
    allowed = allowed_transitions(card.labels, "iobes")
    found = (model.crf.allowed_start, model.crf.allowed_end, model.crf.allowed_transitions)
    assert all((theirs.numpy() == ours).all() for theirs, ours in zip(found, allowed, strict=True))
    torch.manual_seed(3)
    without = token_classification.build(card.encoder_dir, card.labels, None, TokenClassificationHead())
    assert torch.equal(without.classifier.weight, model.classifier.weight), "the CRF is drawn behind it"
    assert not hasattr(without, "crf")
    assert CRF.__name__ in type(model.crf).__name__


def test_the_crf_learns_at_the_common_rate_without_decay(case):
    model, _, _ = case
    names = {name for name, _ in model.named_parameters() if name.startswith("crf.")}
    assert names == {"crf.start", "crf.end", "crf.transitions"}
    assert decayed_names(model).isdisjoint(names)
    assert "classifier.weight" in decayed_names(model)
    optimizer = build_optimizer(FinetuningPlan(model), TrainingConfig(weight_decay=0.1))
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert {decay[id(p)] for name, p in model.named_parameters() if name in names} == {0.0}
    assert len({group["lr"] for group in optimizer.param_groups}) == 1
