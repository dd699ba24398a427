"""A document's logits come from the plain model's logits of its windows, with a gradient, in bounded memory."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from bertft_core.config.head_settings import ClassificationHead
from bertft_core.data.batching import padded
from bertft_core.data.prepared_split import PreparedSplit, open_split
from bertft_core.heads import classification
from bertft_core.heads.inputs import HeadInputs
from bertft_core.metrics.prediction_columns import matrix
from bertft_core.training import microbatching, model_runner
from bertft_core.training.determinism import configure
from bertft_core.training.frozen_features import frozen_features
from bertft_core.training.microbatching import microbatches_of
from bertft_core.training.model_runner import ModelRunner
from tests.helpers.batches import has_token_types
from tests.helpers.tiny_encoders import KINDS
from tests.helpers.tiny_studies import long_study

CPU = torch.device("cpu")
BATCH = np.array([7, 2, 15, 6, 10, 17])
SMALL = 25
"""Subwords of a chunk: two whole windows and something, so that chunks end inside of documents."""
AGGREGATES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mean": lambda windows, weights: windows.mean(0),
    "max": lambda windows, weights: windows.max(0).values,
    "first": lambda windows, weights: windows[0],
    "attention": lambda windows, weights: weights @ windows,
}
"""Logits [w, k] and weights [w] of a document's windows → its own."""


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    configure(1, CPU)


@pytest.fixture(scope="module", params=KINDS)
def case(request, tmp_path_factory) -> tuple[PreparedSplit, str]:
    """Training split in windows of 10 pieces, and the encoder's folder."""
    _, card = long_study(tmp_path_factory.mktemp(request.param), kind=request.param)
    split = open_split(card.directory, "train")
    counts = [len(split.window_lengths(i)) for i in BATCH]
    assert 1 in counts
    assert max(counts) >= 3
    return split, card.encoder_dir


def model_of(encoder_dir: str, head: ClassificationHead, dropout: float | None = None) -> Any:
    torch.manual_seed(5)
    model = classification.HEAD.build(encoder_dir, ("a", "b"), dropout, head)
    for name, parameter in model.named_parameters():  # fresh heads are so small that a wrong one would hardly show
        if not name.startswith(model.base_model_prefix + "."):
            nn.init.normal_(parameter, std=0.5)
    return model.eval()


def window_logits(model: Any, split: PreparedSplit, i: int) -> Tensor:
    """What a user of transformers would compute: the windows of a document as a padded batch of texts."""
    model.set_attn_implementation("eager")
    batch = padded(split.input_ids(i), split.token_type_ids(i), split.window_lengths(i), split.pad_token_id)
    return model(**batch).logits


def window_weights(model: Any, split: PreparedSplit, i: int) -> Tensor:
    """Equations 8 and 9 of Yang et al. 2016 over the first tokens; equal weights for a model without attention."""
    batch = padded(split.input_ids(i), split.token_type_ids(i), split.window_lengths(i), split.pad_token_id)
    scorer = getattr(model, "window_attention", None)
    if scorer is None:
        return torch.full((len(split.window_lengths(i)),), 1 / len(split.window_lengths(i)))
    states = model.base_model(**batch).last_hidden_state[:, 0]
    hidden = torch.tanh(states @ scorer.hidden.weight.T + scorer.hidden.bias)
    scores = torch.exp(hidden @ scorer.context.weight[0])
    return scores / scores.sum()


def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microbatching, "MAX_TOKENS", SMALL)


# Logits


@pytest.mark.parametrize("aggregate", AGGREGATES)
@pytest.mark.parametrize("chunked", [False, True])
@torch.no_grad()
def test_a_documents_logits_are_those_of_its_windows_put_together(case, monkeypatch, aggregate, chunked):
    split, encoder_dir = case
    head = ClassificationHead(aggregate=aggregate)
    model = model_of(encoder_dir, head)
    expected = torch.stack(
        [AGGREGATES[aggregate](window_logits(model, split, i), window_weights(model, split, i)) for i in BATCH]
    )
    if chunked:
        small_chunks(monkeypatch)
    runner = ModelRunner(model, head, CPU)
    work = runner.head_inputs(split, BATCH)
    assert (len(list(microbatches_of(work))) > 1) == (chunked and aggregate != "first")
    found = classification.HEAD.outputs(model, runner.logits(split, BATCH, work), work, head)
    torch.testing.assert_close(torch.from_numpy(np.stack(found)), expected, atol=1e-5, rtol=0)
    assert float(expected.std(dim=0).min()) > 1e-3, "the documents differ"
    predicted = runner.predict(split)
    assert predicted is not None
    torch.testing.assert_close(torch.from_numpy(matrix(predicted, "logits", 2)[BATCH]), expected, atol=1e-5, rtol=0)


@torch.no_grad()
def test_mean_pooling_takes_the_mean_of_each_windows_pieces(case):
    split, encoder_dir = case
    head = ClassificationHead(pooling="mean")
    model = model_of(encoder_dir, head)
    runner = ModelRunner(model, head, CPU)
    work = runner.head_inputs(split, BATCH)
    assert work.positions is not None
    found = classification.HEAD.outputs(model, runner.logits(split, BATCH, work), work, head)
    runner.use_packed_attention(False)
    model.set_attn_implementation("eager")
    last = model.classifier.out_proj if hasattr(model.classifier, "out_proj") else model.classifier
    for i, logits in zip(BATCH, found, strict=True):
        batch = padded(split.input_ids(i), split.token_type_ids(i), split.window_lengths(i), split.pad_token_id)
        hidden, real = model.base_model(**batch).last_hidden_state, batch["attention_mask"][:, :, None]
        expected = last((hidden * real).sum(1) / real.sum(1)).mean(0)
        torch.testing.assert_close(torch.from_numpy(logits), expected, atol=1e-5, rtol=0)


def test_the_loss_is_over_documents(case):
    split, encoder_dir = case
    head = ClassificationHead()
    model = model_of(encoder_dir, head)
    runner = ModelRunner(model, head, CPU)
    work = runner.head_inputs(split, BATCH)
    assert work.n_targets == len(BATCH) < len(work.window_lengths)
    assert work.targets.tolist() == split.labels[BATCH].tolist()
    found = runner.loss_sum(runner.logits(split, BATCH, work), work)
    documents = torch.stack([window_logits(model, split, i).mean(0) for i in BATCH])
    expected = nn.functional.cross_entropy(documents, torch.from_numpy(split.labels[BATCH]), reduction="sum")
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-6)


def test_only_first_windows_are_read_where_only_they_count(case):
    split, encoder_dir = case
    head = ClassificationHead(aggregate="first")
    work = ModelRunner(model_of(encoder_dir, head), head, CPU).head_inputs(split, BATCH)
    assert work.window_lengths.tolist() == [split.window_lengths(i)[0] for i in BATCH]
    assert work.input_ids.tolist() == [piece for i in BATCH for piece in split.input_ids(i)[: split.window_lengths(i)[0]]]
    assert (work.token_type_ids is not None) == has_token_types(split)
    assert work.windows_of.tolist() == [1] * len(BATCH)


# Gradients


def gradients(runner: ModelRunner, split: PreparedSplit) -> dict[str, Tensor]:
    """Of the documents' loss, with the same dropout stream each time."""
    runner.model.zero_grad()
    torch.manual_seed(3)
    work = runner.head_inputs(split, BATCH)
    runner.loss_sum(runner.logits(split, BATCH, work), work).backward()
    return {name: p.grad.clone() for name, p in runner.model.named_parameters() if p.grad is not None}


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float) -> None:
    assert found.keys() == expected.keys()
    assert len(expected) > 30
    for name, values in expected.items():
        scale = max(1.0, float(values.abs().max()))
        torch.testing.assert_close(found[name] / scale, values / scale, atol=tolerance, rtol=0)


@pytest.mark.parametrize(("pooling", "aggregate"), [("pooler", "mean"), ("mean", "mean"), ("pooler", "attention")])
def test_gradients_in_chunks_are_those_of_the_whole(case, monkeypatch, pooling, aggregate):
    split, encoder_dir = case
    head = ClassificationHead(pooling=pooling, aggregate=aggregate)
    runner = ModelRunner(model_of(encoder_dir, head, dropout=0.0).train(), head, CPU)
    whole = gradients(runner, split)
    assert all(float(whole[name].abs().max()) > 1e-4 for name in whole if name.startswith("window_attention."))
    small_chunks(monkeypatch)
    assert len(list(microbatches_of(runner.head_inputs(split, BATCH)))) >= 3
    assert_same(gradients(runner, split), whole, 2e-5)


def test_a_chunk_is_computed_again_with_the_dropout_it_had(case, monkeypatch):
    split, encoder_dir = case
    head = ClassificationHead()
    runner = ModelRunner(model_of(encoder_dir, head, dropout=0.3).train(), head, CPU)
    small_chunks(monkeypatch)
    again = gradients(runner, split)
    monkeypatch.setattr(model_runner, "checkpoint", lambda compute, work, **how: compute(work))
    kept = gradients(runner, split)
    assert_same(again, kept, 1e-6)
    other = model_of(encoder_dir, head, dropout=0.0).train()
    without = gradients(ModelRunner(other, head, CPU), split)
    assert any(float((without[name] - kept[name]).abs().max()) > 1e-2 for name in kept), "dropout matters"


def test_dropout_after_a_chunked_pass_goes_on_as_if_nothing_had_been_computed_twice(case, monkeypatch):
    """Backward puts the generator back where the passes left it."""
    split, encoder_dir = case
    head = ClassificationHead()
    runner = ModelRunner(model_of(encoder_dir, head, dropout=0.3).train(), head, CPU)
    small_chunks(monkeypatch)
    torch.manual_seed(3)
    work = runner.head_inputs(split, BATCH)
    loss = runner.loss_sum(runner.logits(split, BATCH, work), work)
    before = torch.get_rng_state()
    loss.backward()
    assert torch.equal(torch.get_rng_state(), before)


# Memory


class LiveBytes(TorchDispatchMode):
    """Bytes of the tensors made in the block that are still alive, now and at most."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._sizes: dict[int, int] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for tensor in tree_iter(made):
            if isinstance(tensor, Tensor):
                self._add(tensor.untyped_storage())
        return made

    def _add(self, storage: torch.UntypedStorage) -> None:
        place = storage.data_ptr()
        if place and place not in self._sizes:
            self._sizes[place] = storage.nbytes()
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._remove, place)

    def _remove(self, place: int) -> None:
        self.now -= self._sizes.pop(place)


def document_of(n_windows: int, pooling: str = "pooler", length: int = 32) -> HeadInputs:
    pieces = np.random.default_rng(0).integers(5, 50, n_windows * length).astype(np.int32)
    positions = np.arange(len(pieces)) if pooling == "mean" else None
    return HeadInputs(pieces, None, np.full(n_windows, length), np.array([n_windows]), positions, 1, np.array([0]))


def memory(runner: ModelRunner, work: HeadInputs) -> tuple[int, int]:
    """Bytes kept for the gradient after the forward pass, and the peak of forward and backward."""
    runner.model.zero_grad()
    with LiveBytes() as live:
        logits = torch.cat([runner._microbatch_logits(part, many) for part, many in microbatches_of(work)])
        kept = live.now
        runner.loss_sum(logits, work).backward()
    return kept, live.peak


@pytest.mark.parametrize("pooling", ["pooler", "mean"])
def test_memory_does_not_grow_with_the_windows_of_a_document(case, monkeypatch, pooling):
    _, encoder_dir = case
    head = ClassificationHead(pooling=pooling)
    runner = ModelRunner(model_of(encoder_dir, head, dropout=0.1).train(), head, CPU)
    few, many = document_of(8, pooling), document_of(64, pooling)
    kept_whole, peak_whole = memory(runner, many)
    monkeypatch.setattr(microbatching, "MAX_TOKENS", 128)
    (kept_few, peak_few), (kept_many, peak_many) = memory(runner, few), memory(runner, many)
    a_window = 2 * 4 * 8
    """Its two logits in fp32, in a few copies; a window's states alone would be 32 · 16 numbers a layer."""
    assert kept_many - kept_few <= (64 - 8) * a_window
    assert peak_many - peak_few <= (64 - 8) * a_window
    assert kept_whole > 10 * kept_many
    assert peak_whole > 3 * peak_many


@torch.no_grad()
def test_memory_is_bounded_in_evaluation_too(case, monkeypatch):
    _, encoder_dir = case
    runner = ModelRunner(model_of(encoder_dir, ClassificationHead()), ClassificationHead(), CPU)
    monkeypatch.setattr(microbatching, "MAX_TOKENS", 128)
    peaks = []
    for n_windows in (8, 64):
        with LiveBytes() as live:
            torch.cat([runner._microbatch_logits(part, many) for part, many in microbatches_of(document_of(n_windows))])
        peaks.append(live.peak)
    assert peaks[1] - peaks[0] <= (64 - 8) * 64


# Chunks


def test_chunks_are_whole_windows_in_their_order_and_lose_nothing(case, monkeypatch):
    split, encoder_dir = case
    for pooling in ("pooler", "mean"):
        head = ClassificationHead(pooling=pooling)
        runner = ModelRunner(model_of(encoder_dir, head), head, CPU)
        work = runner.head_inputs(split, np.arange(split.n))
        for limit in (1, 12, SMALL, 100, 10**6):
            monkeypatch.setattr(microbatching, "MAX_TOKENS", limit)
            parts = [part for part, _ in microbatches_of(work)]
            assert np.concatenate([part.input_ids for part in parts]).tolist() == work.input_ids.tolist()
            assert np.concatenate([part.window_lengths for part in parts]).tolist() == work.window_lengths.tolist()
            assert all(len(part.input_ids) <= limit or len(part.window_lengths) == 1 for part in parts)
            assert {many for _, many in microbatches_of(work)} == {len(parts) > 1}
            if work.positions is not None:
                starts = np.cumsum([0] + [len(part.input_ids) for part in parts])[:-1]
                joined = [start + part.positions for start, part in zip(starts, parts, strict=True)]
                assert np.concatenate(joined).tolist() == work.positions.tolist()


def test_texts_of_one_window_are_never_cut_apart(tmp_path, monkeypatch):
    _, card = long_study(tmp_path, data={"max_length": 48, "doc_stride": None})
    split = open_split(card.directory, "train")
    runner = ModelRunner(model_of(card.encoder_dir, ClassificationHead()), ClassificationHead(), CPU)
    short = np.flatnonzero([len(split.window_lengths(i)) == 1 for i in range(split.n)])
    assert len(short) > 5
    monkeypatch.setattr(microbatching, "MAX_TOKENS", 20)
    ((part, many),) = microbatches_of(runner.head_inputs(split, short))
    assert part.targets is not None
    assert not many


# Frozen encoder


STORED = [("pooler", "mean"), ("cls", "max"), ("mean", "mean"), ("pooler", "first"), ("cls", "attention"), ("mean", "attention")]


@pytest.mark.parametrize(("pooling", "aggregate"), STORED)
@torch.no_grad()
def test_stored_states_of_windows_give_the_same_logits(case, tmp_path, monkeypatch, pooling, aggregate):
    split, encoder_dir = case
    head = ClassificationHead(pooling=pooling, aggregate=aggregate)
    runner = ModelRunner(model_of(encoder_dir, head), head, CPU)
    assert runner.separable(split)
    expected = runner.logits(split, BATCH)
    small_chunks(monkeypatch)
    states, starts = frozen_features(runner, split, tmp_path)
    if pooling == "mean":
        rows = split.lengths.tolist()
    else:
        rows = [1 if aggregate == "first" else len(split.window_lengths(i)) for i in range(split.n)]
    assert np.diff(starts).tolist() == rows
    assert len(states) == sum(rows)
    again, _ = frozen_features(runner, split, tmp_path)
    assert torch.equal(again, states)
    runner.features = {split.name: (states, starts)}
    torch.testing.assert_close(runner.logits(split, BATCH), expected, atol=1e-5, rtol=0)
