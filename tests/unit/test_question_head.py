"""Question answering: logits and gradients of the plain model, the loss of windows, and the best answers against brute force."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import nn
from transformers import AutoTokenizer

from bertft_core.config.head_settings import QuestionAnsweringHead
from bertft_core.data.alignment import question_answering as alignment
from bertft_core.data.batching import padded
from bertft_core.data.prepared_split import PreparedSplit, open_split
from bertft_core.data.question_windows import OUTSIDE, without_spaces
from bertft_core.heads import HEADS, question_answering, span_decoding
from bertft_core.heads.inputs import HeadInputs
from bertft_core.heads.span_decoding import best_answers, null_scores
from bertft_core.metrics.question_answering import compute
from bertft_core.training import model_runner as forward_module
from bertft_core.training.determinism import configure
from bertft_core.training.model_runner import ModelRunner
from tests.helpers.batches import has_token_types
from tests.helpers.tiny_encoders import KINDS
from tests.helpers.tiny_studies import tiny_questions

CPU = torch.device("cpu")
HEAD = QuestionAnsweringHead()
SOME = np.array([3, 17, 0, 11, 6])


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    configure(1, CPU)


@pytest.fixture(scope="module", params=KINDS)
def case(request, tmp_path_factory) -> tuple[Any, PreparedSplit, Path]:
    """Model in evaluation mode, training split, encoder folder."""
    _, card = tiny_questions(tmp_path_factory.mktemp(request.param), kind=request.param)
    torch.manual_seed(5)
    model = question_answering.build(card.encoder_dir, card.labels, None, HEAD)
    nn.init.normal_(model.qa_outputs.weight, std=0.5)  # a fresh head is so small that a wrong one would hardly show
    return model.eval(), open_split(card.directory, "train"), Path(card.encoder_dir)


def plain_logits(model: Any, work: HeadInputs) -> torch.Tensor:
    """[T, 2] as a user of transformers would compute it: one padded batch of windows, the model's own attention."""
    model.set_attn_implementation("eager")
    batch = padded(work.input_ids, work.token_type_ids, work.window_lengths, model.config.pad_token_id)
    output = model(**batch)
    real = batch["attention_mask"].bool()
    return torch.stack([output.start_logits[real], output.end_logits[real]], dim=1)


@torch.no_grad()
def test_logits_are_those_of_the_padded_model_over_all_windows(case):
    model, split, _ = case
    forward = ModelRunner(model, HEAD, CPU)
    work = forward.head_inputs(split, SOME)
    assert len(set(work.window_lengths.tolist())) > 1, "there is something to pad"
    assert work.windows_of.max() > 1
    expected = plain_logits(model, work)
    logits = ModelRunner(model, HEAD, CPU).logits(split, SOME, work)
    assert logits.shape == (len(work.input_ids), 2)
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=0)
    assert float(expected.std(dim=0).min()) > 1e-2


@torch.no_grad()
def test_a_family_whose_parts_are_unknown_gives_the_same_logits_by_its_own_forward(case, monkeypatch):
    model, split, _ = case
    expected = ModelRunner(model, HEAD, CPU).logits(split, SOME)
    model.set_attn_implementation("sdpa")
    unknown = dataclasses.replace(question_answering.HEAD, head_forward=lambda *args: None)
    monkeypatch.setitem(HEADS, "question_answering", unknown)
    monkeypatch.setattr(forward_module, "batches_of", lambda settings: "padded")
    torch.testing.assert_close(ModelRunner(model, HEAD, CPU).logits(split, SOME), expected, atol=1e-5, rtol=0)


@torch.no_grad()
def test_windows_are_those_of_the_tokenizer(case):
    """What transformers makes of question and context with stride is what we read."""
    _, split, encoder_dir = case
    i = next(i for i in range(split.n) if len(split.window_lengths(i)) > 1)
    encoded = AutoTokenizer.from_pretrained(encoder_dir)(
        *split.texts(i), truncation="only_second", max_length=24, stride=5, return_overflowing_tokens=True
    )
    assert [token for window in encoded["input_ids"] for token in window] == split.input_ids(i).tolist()
    if has_token_types(split):
        assert [token for window in encoded["token_type_ids"] for token in window] == split.token_type_ids(i).tolist()


def of_one_length(work: HeadInputs) -> HeadInputs:
    """The windows that are as long as the longest."""
    kept = work.window_lengths == work.window_lengths.max()
    pieces, n = np.repeat(kept, work.window_lengths), int(kept.sum())
    spans = work.targets
    targets = question_answering.Spans(spans.starts[kept], spans.ends[kept], spans.nulls[kept], spans.offsets[pieces])
    types = None if work.token_type_ids is None else work.token_type_ids[pieces]
    lengths, positions = work.window_lengths[kept], np.arange(int(pieces.sum()))
    assert n >= 8
    assert len(set(targets.starts.tolist())) > 1, "some have the answer, some point to the null piece"
    return HeadInputs(work.input_ids[pieces], types, lengths, np.ones(n, np.int64), positions, n, targets)


def test_loss_and_gradients_are_those_of_transformers_for_windows_of_one_length(case):
    """Theirs is a mean over the windows, and counts padding among the pieces: so windows of one length are compared."""
    model, split, _ = case
    forward = ModelRunner(model, HEAD, CPU)
    work = of_one_length(forward.head_inputs(split, np.arange(split.n)))
    n, targets = len(work.window_lengths), work.targets
    model.zero_grad()
    loss = forward.loss_sum(forward._whole_logits(work), work) / n
    loss.backward()
    ours = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.set_attn_implementation("sdpa")
    model.zero_grad()
    batch = padded(work.input_ids, work.token_type_ids, work.window_lengths, model.config.pad_token_id)
    theirs = model(**batch, start_positions=torch.from_numpy(targets.starts), end_positions=torch.from_numpy(targets.ends)).loss
    theirs.backward()
    torch.testing.assert_close(loss, theirs, atol=1e-5, rtol=0)
    assert len(ours) > 30
    for name, p in model.named_parameters():
        if p.grad is not None:
            torch.testing.assert_close(ours[name], p.grad, atol=2e-5, rtol=1e-4)


def test_the_loss_is_that_of_each_window_by_hand(case):
    model, split, _ = case
    forward = ModelRunner(model, HEAD, CPU)
    work = forward.head_inputs(split, SOME)
    logits = forward.logits(split, SOME, work).detach()
    expected, first = 0.0, 0
    for k, length in enumerate(work.window_lengths):
        of_window = logits[first : first + length].log_softmax(dim=0)
        expected -= float(of_window[work.targets.starts[k], 0] + of_window[work.targets.ends[k], 1]) / 2
        first += length
    assert float(forward.loss_sum(logits, work)) == pytest.approx(expected, rel=1e-5)
    assert work.n_targets == len(work.window_lengths) > len(SOME)


def test_the_loss_of_a_gpu_is_the_same_but_for_rounding(case):
    """Summed over pieces and ends in one dimension, for which CUDA has a deterministic kernel."""
    model, split, _ = case
    forward = ModelRunner(model, HEAD, CPU)
    work = forward.head_inputs(split, SOME)
    logits = forward.logits(split, SOME, work).detach()
    windows = torch.nn.utils.rnn.pad_sequence(
        logits.split(work.window_lengths.tolist()), batch_first=True, padding_value=-torch.inf
    ).requires_grad_()
    targets = torch.from_numpy(np.stack([work.targets.starts, work.targets.ends], axis=1))
    targets[0] = question_answering.NO_TARGET
    flat = question_answering._flat(windows, targets)
    assert [one.dim() for one in flat] == [2, 1]
    losses = [
        torch.nn.functional.cross_entropy(*pair, ignore_index=question_answering.NO_TARGET, reduction="sum")
        for pair in (flat, (windows, targets))
    ]
    assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-6)
    ours, theirs = (torch.autograd.grad(loss, windows)[0] for loss in losses)
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)


def test_windows_that_say_nothing_are_not_counted(case):
    model, split, _ = case
    forward = ModelRunner(model, HEAD, CPU)
    work = forward.head_inputs(split, SOME)
    logits = forward.logits(split, SOME, work).detach()
    whole = forward.loss_sum(logits, work)
    work.targets.starts[:2] = work.targets.ends[:2] = question_answering.NO_TARGET
    kept = forward.loss_sum(logits, work)
    work.targets.starts[:] = work.targets.ends[:] = question_answering.NO_TARGET
    assert 0 < kept < whole
    assert forward.loss_sum(logits, work) == 0.0


def test_micro_batches_add_up_to_the_step(case):
    model, split, _ = case
    forward = ModelRunner(model, HEAD, CPU)
    gradients = []
    for parts in ([np.arange(8)], [np.arange(3), np.arange(3, 8)], [np.array([i]) for i in range(8)]):
        model.zero_grad()
        works = [(part, forward.head_inputs(split, part)) for part in parts]
        n_targets = sum(work.n_targets for _, work in works)
        total = 0.0
        for part, work in works:
            loss = forward.loss_sum(forward.logits(split, part, work), work) / n_targets
            loss.backward()
            total += float(loss.detach())
        gradients.append((total, model.qa_outputs.weight.grad.clone()))
    for total, gradient in gradients[1:]:
        assert total == pytest.approx(gradients[0][0], abs=1e-5)
        torch.testing.assert_close(gradient, gradients[0][1], atol=1e-5, rtol=0)


# The best answers


def by_brute_force(logits: np.ndarray, offsets: np.ndarray, lengths: list[int], n_best: int, longest: int) -> list[tuple]:
    """(start, end, score) of one question as run_squad.py finds them: loops over windows, starts and ends."""
    best: dict[tuple[int, int], float] = {}
    first = 0
    for length in lengths:
        pieces = [i for i in range(first, first + length) if offsets[i, 0] >= 0]
        starts = sorted(pieces, key=lambda i: -logits[i, 0])[:n_best]
        ends = sorted(pieces, key=lambda i: -logits[i, 1])[:n_best]
        for start, end in itertools.product(starts, ends):
            if start <= end < start + longest:
                span = (int(offsets[start, 0]), int(offsets[end, 1]))
                best[span] = max(best.get(span, -np.inf), float(logits[start, 0] + logits[end, 1]))
        first += length
    return sorted(((*span, score) for span, score in best.items()), key=lambda found: -found[2])[:n_best]


def random_question(rng: np.random.Generator, n_windows: int) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Logits [T, 2], offsets [T, 2] and lengths of windows that overlap: two pieces of the question, then the context."""
    n_context, room, step = 12, 7, 3
    bounds = np.sort(rng.choice(40, 2 * n_context, replace=False)).reshape(-1, 2)
    offsets, lengths = [], []
    for k in range(n_windows):
        part = bounds[k * step : k * step + room]
        offsets += [[-1, -1]] * 3 + part.tolist() + [[-1, -1]]
        lengths.append(len(part) + 4)
    return rng.permutation(len(offsets) * 2).reshape(-1, 2).astype(np.float32), np.array(offsets, np.int32), lengths


@pytest.mark.parametrize(("n_best", "longest"), [(1, 30), (3, 2), (5, 30), (5, 1), (50, 4), (1000, 30)])
@pytest.mark.parametrize("pairs", [4_000_000, 1])
def test_the_best_answers_are_those_of_brute_force(n_best, longest, pairs, monkeypatch):
    monkeypatch.setattr(span_decoding, "MAX_PAIRS", pairs)
    rng = np.random.default_rng(n_best + longest)
    questions = [random_question(rng, int(rng.integers(1, 4))) for _ in range(40)]
    logits, offsets = (np.concatenate([question[k] for question in questions]) for k in (0, 1))
    lengths = np.array([length for *_, of in questions for length in of])
    found = best_answers(logits, offsets, lengths, np.array([len(of) for *_, of in questions]), n_best, longest)
    n_empty = 0
    for (own_logits, own_offsets, own_lengths), best in zip(questions, found, strict=True):
        expected = by_brute_force(own_logits, own_offsets, own_lengths, n_best, longest)
        got = list(zip(best.starts.tolist(), best.ends.tolist(), best.scores.tolist(), strict=True))
        assert [score for *_, score in got] == [score for *_, score in expected]
        if n_best < 50:  # of equal scores at the end, others may be kept
            assert {span[:2] for span in got if span[2] > expected[-1][2]} == {s[:2] for s in expected if s[2] > expected[-1][2]}
        assert len({span[:2] for span in got}) == len(got) <= n_best
        n_empty += not got
    assert (n_empty > 0) == (n_best == 1), "the best start may lie behind the best end"


def test_no_answer_begins_in_the_question_or_ends_before_it_starts():
    offsets = np.array([[-1, -1], [-1, -1], [-1, -1], [0, 3], [4, 8], [9, 12], [-1, -1]], np.int32)
    logits = np.zeros((7, 2), np.float32)
    logits[[0, 1, 2, 6]] = 50.0  # [CLS] question [SEP] … [SEP]
    logits[5, 0], logits[3, 1] = 9.0, 9.0  # the best start is the last piece, the best end the first
    (best,) = best_answers(logits, offsets, np.array([7]), np.array([1]), 20, 30)
    spans = set(zip(best.starts.tolist(), best.ends.tolist(), strict=True))
    assert spans == {(0, 3), (0, 8), (0, 12), (4, 8), (4, 12), (9, 12)}
    assert best.scores.tolist() == [9.0, 9.0, 0.0, 0.0, 0.0, 0.0]
    (short,) = best_answers(logits, offsets, np.array([7]), np.array([1]), 20, 2)
    assert (0, 12) not in set(zip(short.starts.tolist(), short.ends.tolist(), strict=True))


def test_the_same_characters_in_two_windows_are_one_answer_with_its_best_score():
    offsets = np.array([[-1, -1], [0, 3], [4, 8], [-1, -1], [4, 8], [9, 12]], np.int32)
    logits = np.array([[0, 0], [1, 1], [2, 2], [0, 0], [3, 3], [0, 0]], np.float32)
    (best,) = best_answers(logits, offsets, np.array([3, 3]), np.array([2]), 20, 1)
    assert list(zip(best.starts.tolist(), best.scores.tolist(), strict=True)) == [(4, 6.0), (0, 2.0), (9, 0.0)]


def test_a_window_without_pieces_of_the_context_has_no_answer():
    logits = np.ones((4, 2), np.float32)
    offsets = np.array([[-1, -1], [-1, -1], [-1, -1], [0, 2]], np.int32)
    none, one = best_answers(logits, offsets, np.array([2, 2]), np.array([1, 1]), 20, 30)
    assert len(none.starts) == 0
    assert one.starts.tolist() == [0]


def test_the_null_score_is_that_of_the_window_which_believes_in_an_answer_most():
    """As score_null of run_squad.py: the least of the windows. Taking the largest would call nearly every long context empty."""
    logits = np.array([[5, 4], [9, 9], [1, 2], [0, 0], [7, 7], [-3, 1]], np.float32)
    scores = null_scores(logits, np.array([0, 0, 1]), np.array([2, 2, 2]), np.array([2, 1]))
    assert scores.tolist() == [3.0, -2.0]


def test_twelve_thousand_questions_are_decoded_in_seconds():
    import time

    rng = np.random.default_rng(0)
    logits = rng.standard_normal((64 * 170, 2)).astype(np.float32)
    offsets = np.tile(np.stack([np.arange(170) * 5 - 60, np.arange(170) * 5 - 56], axis=1), (64, 1)).astype(np.int32)
    started = time.process_time()
    for _ in range(5):
        best_answers(logits, offsets, np.full(64, 170), np.ones(64, np.int64), 20, 30)
    assert (time.process_time() - started) / 5 * 12_000 / 64 < 30


# Rows and tables


@pytest.mark.parametrize("unanswerable", [True, False])
def test_predictions_are_texts_of_the_context_scored_by_the_metrics(tmp_path, unanswerable):
    study, card = tiny_questions(tmp_path, unanswerable=unanswerable)
    model = question_answering.build(card.encoder_dir, card.labels, None, HEAD).eval()
    split = open_split(card.directory, "test")
    table = ModelRunner(model, study.head, CPU).predict(split)
    assert table.column_names == ["example_id", "answers", "null_score", "candidates"]
    assert table["candidates"].type == pa.list_(
        pa.struct([("text", pa.string()), ("start", pa.int32()), ("end", pa.int32()), ("score", pa.float32())])
    )
    assert table["example_id"].to_pylist() == split.example_ids
    assert table["null_score"].null_count == (0 if unanswerable else split.n)
    for i, candidates in enumerate(table["candidates"].to_pylist()):
        context = split.texts(i)[1]
        assert 1 < len(candidates) <= 20
        assert all(c["text"] == context[c["start"] : c["end"]].strip() != "" for c in candidates)
        assert [c["score"] for c in candidates] == sorted((c["score"] for c in candidates), reverse=True)
        assert len({(c["start"], c["end"]) for c in candidates}) == len(candidates)
    scores = compute(table)
    assert ("has_ans_f1" in scores) == ("null_threshold" in scores) == unanswerable


def test_perfect_logits_give_the_answers_and_the_published_scores(tmp_path):
    """From text to score: whatever the windows, logits that point to the targets answer every question rightly."""
    _, card = tiny_questions(tmp_path)
    split = open_split(card.directory, "test")
    indices = np.arange(split.n)
    work = question_answering.head_inputs(split, indices, HEAD)
    logits = torch.zeros(len(work.input_ids), 2)
    first = np.cumsum(work.window_lengths) - work.window_lengths
    logits[first + work.targets.starts, 0] = 5.0
    logits[first + work.targets.ends, 1] = 5.0
    rows = question_answering.outputs(None, logits, work, HEAD)  # type: ignore[arg-type]
    table = question_answering.predictions(alignment.gold(split), rows)
    scores = compute(table)
    assert scores["exact"] == scores["f1"] == scores["has_ans_exact"] == scores["no_ans_exact"] == 1.0
    assert sum(len(split.window_lengths(i)) > 1 for i in range(split.n)) >= 6


def test_no_answer_of_the_head_is_without_a_visible_character():
    """Tokens of white space alone have no offset, so the official search never sees an empty text."""
    context, rng = " a \n\u00a0 bc\t ", np.random.default_rng(0)
    spans = [without_spaces(context, start, start + n) for start in range(len(context)) for n in (1, 2, 3)]
    offsets = np.array([span or (OUTSIDE, OUTSIDE) for span in spans], np.int32)
    for _ in range(50):
        logits = rng.normal(size=(len(offsets), 2)).astype(np.float32)
        (best,) = best_answers(logits, offsets, np.array([len(offsets)]), np.array([1]), 20, 30)
        texts = [context[start:end] for start, end in zip(best.starts, best.ends, strict=True)]
        assert texts
        assert all(text.strip() for text in texts)
