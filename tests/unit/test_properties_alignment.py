"""For any Unicode text and any windows: no word, no tag and no answer is lost, and windows put together are the whole again."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from bertft_core.config import UserError, parse_study
from bertft_core.config.data_settings import FileData
from bertft_core.config.encoder_settings import EncoderConfig
from bertft_core.config.head_settings import QuestionAnsweringHead, TokenClassificationHead
from bertft_core.data.alignment import masked_lm, question_answering, token_classification
from bertft_core.data.alignment.texts import tokenise_texts
from bertft_core.data.batching import evaluation_batches
from bertft_core.data.data_findings import PreparedData
from bertft_core.data.encoder_files import resolve_encoder
from bertft_core.data.examples import Example, RawSplit, SourceLocation
from bertft_core.data.prepared_split import PreparedSplit
from bertft_core.data.word_windows import word_windows
from bertft_core.heads import question_answering as question_head
from bertft_core.heads import token_classification as tag_head
from bertft_core.records.data_card import SplitOrigin
from tests.helpers.hypothesis_profile import BLANKS, CHARACTERS, SHORT_WORDS, WORDS, texts, window_sizes
from tests.helpers.tiny_encoders import tiny_encoder

TAGS = ("O", "B-X", "I-X", "B-Y", "I-Y")
PATH = "train.jsonl"
FEWER = settings(max_examples=25)
"""Of examples that each look through the whole vocabulary."""


@pytest.fixture(scope="module", params=["tiny", "minilm"])
def tokenizer(request, tmp_path_factory) -> Any:
    """A vocabulary of letters, and a real one that drops accents and control characters."""
    if request.param == "tiny":
        return AutoTokenizer.from_pretrained(tiny_encoder(tmp_path_factory.mktemp("encoder")))
    return AutoTokenizer.from_pretrained(resolve_encoder(EncoderConfig()).directory)


def data_of(max_length: int, overlap: int, **more: Any) -> FileData:
    return FileData(source="files", train=PATH, max_length=max_length, doc_stride=overlap, **more)


def whole(tokenizer: Any, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]


def test_the_sizes_of_windows_drawn_here_are_those_that_a_study_may_ask_for():
    for max_length, overlap in itertools.product(range(4, 10), range(1, 10)):
        data = {"source": "bundled", "name": "entities", "max_length": max_length, "doc_stride": overlap}
        study = {"name": "s", "data": data, "head": "token_classification", "arms": {"full": {}}}
        if max_length >= 5 and overlap <= max_length - 4:
            assert parse_study(study).data.overlap == overlap
        else:
            with pytest.raises(UserError, match="cannot advance"):
                parse_study(study)


# Words and their tags

SENTENCES = st.lists(st.tuples(st.one_of(SHORT_WORDS, SHORT_WORDS, WORDS), st.sampled_from(TAGS)), min_size=1, max_size=16)
"""Words with a tag each."""


def read_sentence(pairs: Sequence[tuple[str, str]], data: FileData, line: int = 1) -> Example:
    words, tags = (list(column) for column in zip(*pairs, strict=True))
    return token_classification.reader(data)(f"s-{line}", (words, tags), SourceLocation(PATH, line))


def prepared_sentences(tokenizer: Any, sentences: Sequence[Sequence[tuple[str, str]]], size: tuple[int, int]) -> PreparedSplit:
    data = data_of(*size)
    examples = [read_sentence(pairs, data, line) for line, pairs in enumerate(sentences, start=1)]
    return PreparedSplit(token_classification.tokenise(tokenizer, examples, TAGS, data, True), "train")


def words_at(split: PreparedSplit, i: int, pieces: Sequence[Sequence[int]]) -> np.ndarray:
    """[T] the word that each piece is of, -1 for special tokens; every window is a run of whole words, its own among them."""
    ids, starts, lengths = (split.input_ids(i), split.ragged("word_starts", i), split.ragged("word_lengths", i))
    found = np.full(len(ids), -1)
    owned_by = []
    begin = 0
    for length in split.window_lengths(i).tolist():
        inside = range(begin + 1, begin + length - 1)
        own = [word for word in range(len(pieces)) if starts[word] in inside and starts[word] + lengths[word] - 1 in inside]
        assert own, "a window for no word"
        owned_by += own
        word, place = own[0], int(starts[own[0]])
        while place > inside.start:
            word -= 1
            place -= int(lengths[word])
        assert place == inside.start
        while place < inside.stop:
            found[place : place + lengths[word]] = word
            assert ids[place : place + lengths[word]].tolist() == list(pieces[word][: lengths[word]])
            assert word not in own or place == starts[word]
            word, place = word + 1, place + int(lengths[word])
        assert place == inside.stop
        begin += length
    assert owned_by == list(range(len(pieces))), "each word in one window's care, in their order"
    assert begin == len(ids)
    return found


@given(words=st.lists(st.one_of(WORDS, WORDS, WORDS, st.text(st.sampled_from(BLANKS), max_size=3)), min_size=1, max_size=6))
def test_every_word_is_read_as_it_is_or_refused_by_its_number(words):
    tags = [TAGS[k % len(TAGS)] for k in range(len(words))]
    blank = [number for number, word in enumerate(words, start=1) if not word.strip()]
    if blank:
        problem = "there are no words" if words == [""] else f"word {blank[0]} in column 'tokens' is empty"
        with pytest.raises(UserError, match=f"^{PATH}:1: {problem}"):
            read_sentence(list(zip(words, tags, strict=True)), data_of(16, 4))
    else:
        example = read_sentence(list(zip(words, tags, strict=True)), data_of(16, 4))
        assert (example.texts, example.label) == (tuple(words), tuple(tags))


@FEWER
@given(sentences=st.lists(SENTENCES, min_size=1, max_size=3), size=window_sizes())
def test_every_word_is_in_one_windows_care_and_keeps_its_tag(tokenizer, sentences, size):
    split = prepared_sentences(tokenizer, sentences, size)
    capacity = size[0] - 2
    assert split.n == len(sentences)
    for i, pairs in enumerate(sentences):
        pieces = [whole(tokenizer, word) or [tokenizer.unk_token_id] for word, _ in pairs]
        words_at(split, i, pieces)
        assert split.ragged("word_lengths", i).tolist() == [min(len(word), capacity) for word in pieces]
        assert [TAGS[tag] for tag in split.ragged("tags", i)] == [tag for _, tag in pairs]
        assert split.texts(i) == (" ".join(word for word, _ in pairs),)
        assert split.window_lengths(i).max() <= size[0]
        assert split.n_tokens[i] == sum(map(len, pieces)) + 2
        assert split.values("n_cut")[i] == sum(len(word) > capacity for word in pieces)


@FEWER
@given(
    sentences=st.lists(SENTENCES, min_size=1, max_size=3),
    size=window_sizes(),
    speaks=st.sampled_from(["first", "last", "mean"]),
    batch_size=st.integers(1, 3),
)
def test_what_is_said_of_words_in_windows_merges_to_each_word_once_in_order(tokenizer, sentences, size, speaks, batch_size):
    """A model that answers with the number of the word it looks at gives 0, 1, 2, … for every sentence."""
    split = prepared_sentences(tokenizer, sentences, size)
    pieces = [[whole(tokenizer, word) or [tokenizer.unk_token_id] for word, _ in pairs] for pairs in sentences]
    head = TokenClassificationHead(word_prediction=speaks)
    names = np.eye(max(map(len, sentences)) + 1, dtype=np.float32)  # of each word, the last one of special tokens
    rows: list[Any] = [None] * split.n
    for batch in evaluation_batches(split, batch_size):
        work = tag_head.head_inputs(split, batch, head)
        logits = names[np.concatenate([words_at(split, i, pieces[i]) for i in batch])]
        for i, row in zip(batch, tag_head.outputs(None, torch.from_numpy(logits[work.positions]), work, head), strict=True):
            rows[i] = row
    table = tag_head.predictions(token_classification.gold(split), rows)
    assert table["predicted"].to_pylist() == [list(range(len(pairs))) for pairs in sentences]
    assert table["label"].to_pylist() == [[TAGS.index(tag) for _, tag in pairs] for pairs in sentences]
    assert table["example_id"].to_pylist() == [f"s-{line}" for line in range(1, len(sentences) + 1)]


@st.composite
def lengths_and_sizes(draw: st.DrawFn) -> tuple[np.ndarray, int, int]:
    """Pieces of each word, mostly few of them; pieces that a window holds and that neighbours share."""
    max_length, overlap = draw(window_sizes())
    capacity = max_length - 2
    longest = draw(st.sampled_from([min(2, capacity), min(5, capacity), capacity]))
    n_words = draw(st.integers(1, 50))
    return np.array(draw(st.lists(st.integers(1, longest), min_size=n_words, max_size=n_words))), capacity, overlap


@settings(max_examples=200)
@given(case=lengths_and_sizes())
def test_words_of_any_lengths_are_owned_where_they_have_most_context(case):
    lengths, capacity, overlap = case
    first, last, owner = word_windows(lengths, capacity, overlap)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    assert (first[0], last[-1]) == (0, len(lengths))
    assert (starts[last] - starts[first] <= capacity).all()
    assert (np.diff(first) > 0).all()
    assert (np.diff(last) > 0).all()
    assert (first[1:] <= last[:-1]).all(), "no gap"
    assert np.unique(owner).tolist() == list(range(len(first))), "no window for nothing"
    assert (np.diff(owner) >= 0).all()
    for word, window in enumerate(owner):
        context = np.minimum(starts[word] - starts[first], starts[last] - starts[word + 1])
        assert window == context.argmax(), "the first among equals"
        assert context[window] >= 0, "and it is inside"


# Questions and their answers


class Asked(NamedTuple):
    question: str
    context: str
    answer: tuple[int, int] | None
    """Its first character and the one behind the last; None for an unanswerable question."""

    @property
    def text(self) -> str:
        return "" if self.answer is None else self.context[slice(*self.answer)]


SHORT_TEXTS, TEXTS = texts(2), texts()


@st.composite
def questions(draw: st.DrawFn) -> Asked:
    question, context = draw(SHORT_TEXTS), draw(TEXTS)
    start = draw(st.integers(0, len(context) - 1))
    end = draw(st.integers(start + 1, min(len(context), start + 30)))
    answerable = context[start:end].strip() and draw(st.integers(0, 7))
    return Asked(question, context, (start, end) if answerable else None)


QUESTIONS = st.lists(questions(), min_size=1, max_size=3)
ROOM = {"room": st.integers(1, 9), "overlap": st.integers(1, 6)}
"""Pieces of the context that are new in a window, at the longest question, and that neighbours share."""


def prepared_questions(tokenizer: Any, asked: Sequence[Asked], room: int, overlap: int) -> PreparedData:
    """Through reading, agreeing and tokenising; none of them has anything to repair."""
    longest = max(len(whole(tokenizer, item.question)) for item in asked)
    max_length = longest + tokenizer.num_special_tokens_to_add(pair=True) + overlap + room
    data = data_of(max_length, overlap, max_question_length=max(longest, 1))
    read = question_answering.reader(data)
    rows = [
        (f"q-{i}", item.question, item.context, [{"text": item.text, "answer_start": item.answer[0]}] if item.answer else [])
        for i, item in enumerate(asked)
    ]
    raw = {
        "train": RawSplit(
            tuple(read("", row, SourceLocation(PATH, i)) for i, row in enumerate(rows, start=1)), PATH, SplitOrigin(path=PATH)
        )
    }
    agreed, labels, findings = question_answering.agree(raw, data)
    assert (agreed, findings) == (raw, ())
    table = question_answering.tokenise(tokenizer, agreed["train"].examples, labels, data, True)
    return PreparedData(agreed, {"train": PreparedSplit(table, "train")}, labels, max_length)


def context_pieces(tokenizer: Any, item: Asked) -> list[list[int]]:
    """The visible characters of each piece of the context, when nothing is cut."""
    encoded = tokenizer(item.question, item.context, return_offsets_mapping=True, verbose=False)
    spans = [span for span, of in zip(encoded["offset_mapping"], encoded.sequence_ids(), strict=True) if of == 1]
    return [[at for at in range(*span) if not item.context[at].isspace()] for span in spans]


@given(asked=QUESTIONS, **ROOM)
def test_no_answer_is_lost_and_one_that_cannot_be_known_is_reported(tokenizer, asked, room, overlap):
    data = prepared_questions(tokenizer, asked, room, overlap)
    split = data.prepared["train"]
    read = split.table["answer_read"].to_pylist()
    reported = {line for finding in question_answering.find_inexpressible(data) for line in lines_of(finding)}
    assert split.n == len(asked)
    for i, item in enumerate(asked):
        assert split.texts(i) == (item.question, item.context)
        taught = spans_taught(split, i)
        if item.answer is None:
            assert read[i] is None
            assert taught == []
            assert (split.ragged("starts", i) == split.ragged("nulls", i)).all(), "every window says that there is no answer"
            continue
        assert [item.context[start:end] for start, end in taught] == [read[i]] * len(taught)
        pieces = context_pieces(tokenizer, item)
        asked_for = range(*item.answer)
        touched = [k for k, characters in enumerate(pieces) if any(at in asked_for for at in characters)]
        kept = [at for at in asked_for if not item.context[at].isspace() and whole(tokenizer, item.context[at])]
        if not touched:
            assert read[i] == ""
            assert (split.ragged("starts", i) == -1).all(), "nothing is taught where there is nothing to point to"
            assert not kept, "only characters that the tokenizer drops are in no piece"
            assert (i + 1) in reported
            continue
        assert taught, "some window is taught the answer"
        best = item.context[pieces[touched[0]][0] : pieces[touched[-1]][-1] + 1]
        if touched[-1] - touched[0] <= overlap:  # neighbours share enough for one of them to hold it whole
            assert read[i] == best
            assert all(start <= at < end for at in kept for start, end in taught)
            assert ((i + 1) in reported) == (best != item.text.strip())
        else:
            assert read[i]
            assert read[i] in best
            assert ((i + 1) in reported) == (read[i] != item.text.strip())


def lines_of(finding: Any) -> list[int]:
    lines = [int(place.split(":")[1]) for place in finding.examples]
    assert len(lines) == finding.count
    return lines


def spans_taught(split: PreparedSplit, i: int) -> list[tuple[int, int]]:
    """Characters of the target in each window that has one."""
    offsets = np.split(split.ragged("offsets", i).reshape(-1, 2), np.cumsum(split.window_lengths(i))[:-1])
    targets = zip(*(split.ragged(name, i).tolist() for name in ("starts", "ends", "nulls")), strict=True)
    return [
        (int(of[start, 0]), int(of[end, 1]))
        for of, (start, end, null) in zip(offsets, targets, strict=True)
        if start >= 0 and (start, end) != (null, null)
    ]


@given(asked=QUESTIONS, **ROOM)
def test_windows_of_a_question_put_together_are_its_whole_context(tokenizer, asked, room, overlap):
    data = prepared_questions(tokenizer, asked, room, overlap)
    split = data.prepared["train"]
    for i, item in enumerate(asked):
        question, context = whole(tokenizer, item.question), whole(tokenizer, item.context)
        before, after = [tokenizer.cls_token_id, *question, tokenizer.sep_token_id], [tokenizer.sep_token_id]
        windows = windows_of(split, i)
        assert all(window[: len(before)] == before and window[-1:] == after for window in windows)
        assert all(len(window) == data.max_length for window in windows[:-1])
        assert len(windows[-1]) <= data.max_length
        assert merged([window[len(before) : -1] for window in windows], overlap) == context
        assert split.n_tokens[i] == len(before) + len(context) + 1
        visible = [tuple(span) for span in split.ragged("offsets", i).reshape(-1, 2).tolist() if span != [-1, -1]]
        assert set(visible) == {(at[0], at[-1] + 1) for at in context_pieces(tokenizer, item) if at}


@given(asked=QUESTIONS, **ROOM)
def test_a_model_that_has_learned_its_windows_gives_the_answers_back(tokenizer, asked, room, overlap):
    """Logits that are high at the targets alone: the best of all windows is what was to be read, or no answer."""
    split = prepared_questions(tokenizer, asked, room, overlap).prepared["train"]
    head = QuestionAnsweringHead(max_answer_length=1000)
    work = question_head.head_inputs(split, range(split.n), head)
    begins = np.cumsum(work.window_lengths) - work.window_lengths
    logits = np.zeros((len(work.input_ids), 2), np.float32)
    for side, of in enumerate((work.targets.starts, work.targets.ends)):
        logits[(begins + of)[of >= 0], side] = 9
    rows = question_head.outputs(None, torch.from_numpy(logits), work, head)
    for i, (item, (null_score, best)) in enumerate(zip(asked, rows, strict=True)):
        read = split.table["answer_read"][i].as_py()
        if item.answer is None:
            assert null_score == 18
            assert all(score < 18 for score in best.scores)
        elif read:
            assert null_score == 0
            assert best.scores[0] == 18
            assert item.context[best.starts[0] : best.ends[0]] == read


def test_hard_cases_of_every_kind_are_drawn(tokenizer):
    """What holds for the drawn examples says something only if they are such as can go wrong."""
    seen: Counter[str] = Counter()

    @given(asked=QUESTIONS, **ROOM)
    def look_at_questions(asked, room, overlap):
        split = prepared_questions(tokenizer, asked, room, overlap).prepared["train"]
        for i, (item, read) in enumerate(zip(asked, split.table["answer_read"].to_pylist(), strict=True)):
            seen["in several windows"] += len(split.window_lengths(i)) > 1
            if item.answer is None:
                seen["unanswerable"] += 1
            elif read == "":
                seen["of dropped characters"] += 1
            elif read == item.text.strip():
                seen["reported as it is"] += 1
            else:
                seen["reported with more" if item.text.strip() in read else "reported in part"] += 1

    @FEWER
    @given(sentences=st.lists(SENTENCES, min_size=1, max_size=3), size=window_sizes())
    def look_at_sentences(sentences, size):
        split = prepared_sentences(tokenizer, sentences, size)
        for i, pairs in enumerate(sentences):
            seen["sentence in several windows"] += len(split.window_lengths(i)) > 1
            seen["cut words"] += int(split.values("n_cut")[i])
            seen["words without a piece"] += sum(not whole(tokenizer, word) for word, _ in pairs)

    look_at_questions()
    look_at_sentences()
    assert len(seen) == 9
    assert min(seen.values()) >= 3, seen


# Texts and blocks


def windows_of(split: PreparedSplit, i: int) -> list[list[int]]:
    return [part.tolist() for part in np.split(split.input_ids(i), np.cumsum(split.window_lengths(i))[:-1])]


def merged(insides: Sequence[Sequence[int]], overlap: int) -> list[int]:
    """Of every window but the first what its neighbour has not said, which must be something."""
    assert all(len(inside) > overlap for inside in insides[1:])
    assert all(list(a[len(a) - overlap :]) == list(b[:overlap]) for a, b in itertools.pairwise(insides))
    return [piece for k, inside in enumerate(insides) for piece in inside[overlap if k else 0 :]]


MANY_TEXTS = st.lists(st.one_of(texts(), st.text(CHARACTERS).filter(str.strip)), min_size=1, max_size=4)


@given(written=MANY_TEXTS, size=window_sizes())
def test_windows_of_long_texts_put_together_are_the_whole_texts(tokenizer, written, size):
    data = data_of(*size, long_texts="windows")
    examples = [Example(f"t-{i}", (text,), "a", i) for i, text in enumerate(written)]
    split = PreparedSplit(tokenise_texts(tokenizer, examples, data, True, pa.array([0] * len(written), pa.int32())), "train")
    check_texts(tokenizer, split, written, size[0], size[1])


@FEWER
@given(written=MANY_TEXTS, max_length=st.integers(5, 24))
def test_blocks_of_raw_texts_put_together_are_the_whole_texts(tokenizer, written, max_length):
    written = [*written, "the film was good"]  # something to mask in any case
    data = FileData(source="files", train=PATH, max_length=max_length)
    examples = [Example(f"t-{i}", (text,), None, i) for i, text in enumerate(written)]
    split = PreparedSplit(masked_lm.tokenise(tokenizer, examples, (), data, True), "train")
    check_texts(tokenizer, split, written, max_length, 0)
    for i in range(split.n):
        assert split.ragged("targets", i).tolist() == split.input_ids(i)[split.ragged("masked", i)].tolist()


def check_texts(tokenizer: Any, split: PreparedSplit, written: Sequence[str], max_length: int, overlap: int) -> None:
    assert split.n == len(written)
    for i, text in enumerate(written):
        windows, pieces = windows_of(split, i), whole(tokenizer, text)
        assert {(window[0], window[-1]) for window in windows} == {(tokenizer.cls_token_id, tokenizer.sep_token_id)}
        assert all(len(window) == max_length for window in windows[:-1])
        assert len(windows[-1]) <= max_length
        assert merged([window[1:-1] for window in windows], overlap) == pieces
        assert split.n_tokens[i] == len(pieces) + 2
        assert not split.truncated(max_length)[i]
        assert split.texts(i) == (text,)
