"""Words in windows: nothing is lost, nothing is twice, whatever the words are and however small a window is."""

from __future__ import annotations

import sys
import unicodedata

import numpy as np
import pytest
from tokenizers import pre_tokenizers
from transformers import AutoTokenizer

from bertft_core.config.encoder_settings import EncoderConfig
from bertft_core.data.encoder_files import resolve_encoder
from bertft_core.data.word_windows import frame_of, lay_out, subwords_of, word_windows
from tests.helpers.tiny_encoders import tiny_encoder
from tests.helpers.trained_tokenizers import byte_level, unigram

CORPUS = ["The cast was lovely, and the film was never boring.", "Nobody liked the soup: it was cold!", "naïve café in Zürich"]


def wordpiece(directory):
    return AutoTokenizer.from_pretrained(tiny_encoder(directory / "encoder"))


def minilm(directory):
    return AutoTokenizer.from_pretrained(resolve_encoder(EncoderConfig()).directory)


FAMILIES = {
    "wordpiece": wordpiece,
    "minilm": minilm,
    "byte_level": lambda directory: byte_level(CORPUS),
    "unigram": lambda directory: unigram(CORPUS),
}


@pytest.fixture(scope="module", params=FAMILIES)
def tokenizer(request, tmp_path_factory):
    return FAMILIES[request.param](tmp_path_factory.mktemp("tokenizer"))


def any_words(rng, n_words):
    """Words of any assigned characters, among them combining marks, joiners, emoji, and pieces of scripts without spaces."""
    pools = [
        "abcdefghijklmnopqrstuvwxyzABC",
        "0123456789.,;:!?'\"()[]{}-–—…",
        "äöüßéñçøåœþð",
        "\u200b\u200d\u2060\ufeff\u00ad\u0301\u0338\ufe0f",
        "日本語中文字한국어",
        "אבגدهوไทย",
        "😀👩🏽‍🚀🇺🇳",
        "\u0085\u2028\x00\x07\x1b",
    ]
    words = []
    while len(words) < n_words:
        if rng.random() < 0.3:
            characters = [chr(int(rng.integers(1, sys.maxunicode))) for _ in range(int(rng.integers(1, 9)))]
        else:
            pool = pools[int(rng.integers(len(pools)))]
            characters = [pool[int(rng.integers(len(pool)))] for _ in range(int(rng.integers(1, 13)))]
        word = "".join(c for c in characters if unicodedata.category(c) != "Cs")
        if word.strip():
            words.append(word)
    return words


def merged(sentence, frame, pieces):
    """The pieces of every word, taken back out of the windows."""
    assert len(sentence.word_starts) == len(pieces)
    return [sentence.input_ids[start : start + n] for start, n in zip(sentence.word_starts, sentence.word_lengths, strict=True)]


# Windows


@pytest.mark.parametrize("seed", range(60))
def test_every_word_is_owned_once_by_the_window_with_most_context(seed):
    rng = np.random.default_rng(seed)
    capacity = int(rng.integers(2, 40))
    overlap = int(rng.integers(1, max(2, capacity - 1)))
    lengths = rng.integers(1, int(rng.integers(1, capacity + 1)) + 1, size=int(rng.integers(1, 120)))
    first, last, owner = word_windows(lengths, capacity, overlap)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    assert first[0] == 0
    assert last[-1] == len(lengths)
    assert (starts[last] - starts[first] <= capacity).all()
    assert (np.diff(first) > 0).all()
    assert (np.diff(last) > 0).all()
    assert (first[1:] <= last[:-1]).all(), "no gap"
    assert (np.diff(owner) >= 0).all()
    assert set(owner) == set(range(len(first))), "every window owns a word"
    for word in range(len(lengths)):
        inside = np.flatnonzero((first <= word) & (word < last))
        context = np.minimum(starts[word] - starts[first[inside]], starts[last[inside]] - starts[word + 1])
        assert owner[word] == inside[context.argmax()]


def all_windows(lengths, capacity, overlap):
    """Word by word, as one would do it by hand."""
    first, found = 0, []
    while True:
        last = first
        while last < len(lengths) and sum(lengths[first : last + 1]) <= capacity:
            last += 1
        found.append((first, last))
        if last == len(lengths):
            return found
        begin = last
        while sum(lengths[begin:last]) < overlap and sum(lengths[begin - 1 : last + 1]) <= capacity:
            begin -= 1
        first = begin


@pytest.mark.parametrize("seed", range(40))
def test_neighbours_share_the_overlap_or_what_the_next_word_leaves_room_for(seed):
    rng = np.random.default_rng(100 + seed)
    capacity = int(rng.integers(3, 30))
    overlap = int(rng.integers(1, capacity - 1))
    lengths = rng.integers(1, capacity // 2 + 2, size=80)
    first, last, _ = word_windows(lengths, capacity, overlap)
    expected = all_windows(lengths.tolist(), capacity, overlap)
    assert [pair for pair in expected if pair in set(zip(first, last, strict=True))] == list(zip(first, last, strict=True))
    if overlap <= capacity // 3:
        assert list(zip(first, last, strict=True)) == expected, "with little overlap every window owns something"


def test_windows_by_hand():
    windows = word_windows(np.array([1, 1, 1, 1, 1, 1, 1, 1]), capacity=4, overlap=2)
    assert list(zip(windows.first, windows.last, strict=True)) == [(0, 4), (2, 6), (4, 8)]
    assert windows.owner.tolist() == [0, 0, 0, 1, 1, 2, 2, 2]
    assert word_windows(np.array([2, 1]), capacity=3, overlap=1).owner.tolist() == [0, 0]
    long = word_windows(np.array([4, 4, 1]), capacity=4, overlap=2)
    assert list(zip(long.first, long.last, strict=True)) == [(0, 1), (1, 2), (2, 3)], "long words leave no room to share"


# Sentences


@pytest.mark.parametrize("max_length", [4, 5, 7, 12, 33, 128])
@pytest.mark.parametrize("seed", range(6))
def test_no_word_is_lost_and_windows_merge_to_the_identity(tokenizer, seed, max_length):
    rng = np.random.default_rng([seed, max_length])
    words = any_words(rng, int(rng.integers(1, 50)))
    known, frame = subwords_of(tokenizer, words), frame_of(tokenizer)
    pieces = [known[word] for word in words]
    assert min(map(len, pieces)) >= 1
    sentence = lay_out(pieces, frame, max_length, overlap=max(1, max_length // 4))
    capacity = max_length - 2
    assert [found.tolist() for found in merged(sentence, frame, pieces)] == [word[:capacity].tolist() for word in pieces]
    assert (np.diff(sentence.word_starts) >= sentence.word_lengths[:-1]).all(), "rising, and no piece is two words'"
    assert sentence.n_cut == sum(len(word) > capacity for word in pieces)
    assert sentence.n_tokens == sum(map(len, pieces)) + 2
    assert len(sentence.input_ids) == len(sentence.token_type_ids) == sentence.window_lengths.sum()
    assert sentence.window_lengths.max() <= max_length
    ends = np.cumsum(sentence.window_lengths)
    assert set(sentence.input_ids[ends - sentence.window_lengths]) == set(frame.before)
    assert set(sentence.input_ids[ends - 1]) == set(frame.after)


def test_a_sentence_that_fits_is_what_the_tokenizer_makes_of_split_words(tokenizer):
    words = ["The", "cast", "wasn't", "boring", ",", "Zürich", "naïve", "\u200b", "x" * 9, "日本", "soup!"]
    known = subwords_of(tokenizer, words)
    sentence = lay_out([known[word] for word in words], frame_of(tokenizer), 512, 128)
    backend = tokenizer.backend_tokenizer
    if backend.pre_tokenizer.__class__.__name__ == "ByteLevel":
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    try:
        theirs = tokenizer(words, is_split_into_words=True)
    finally:
        if backend.pre_tokenizer.__class__.__name__ == "ByteLevel":
            backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    without = {word for word in range(len(words)) if word not in theirs.word_ids()}
    ours = [place for word, place in enumerate(sentence.word_starts) if word in without]
    assert np.delete(sentence.input_ids, ours).tolist() == theirs["input_ids"]
    assert all(sentence.input_ids[place] == tokenizer.unk_token_id for place in ours)
    assert sentence.window_lengths.tolist() == [len(sentence.input_ids)]


def test_a_word_without_pieces_becomes_the_unknown_token(tmp_path):
    tokenizer = minilm(tmp_path)
    assert tokenizer("\u200b", add_special_tokens=False)["input_ids"] == []
    assert subwords_of(tokenizer, ["\u200b"])["\u200b"].tolist() == [tokenizer.unk_token_id]


@pytest.mark.parametrize(
    ("make", "settings"),
    [(byte_level, {"add_prefix_space": False}), (byte_level, {"add_prefix_space": True}), (unigram, {"prepend_scheme": "never"})],
)
def test_words_are_read_as_behind_a_space_where_the_family_knows_them_by_it(make, settings):
    tokenizer = make(CORPUS, **settings)
    tokens = tokenizer.convert_ids_to_tokens(subwords_of(tokenizer, ["the"])["the"].tolist())
    assert tokens[0][0] in "Ġ▁"
    in_a_text = tokenizer.convert_ids_to_tokens(tokenizer("x the", add_special_tokens=False)["input_ids"])
    assert in_a_text[-len(tokens) :] == tokens
    assert subwords_of(tokenizer, [" the"])[" the"].tolist() == subwords_of(tokenizer, ["the"])["the"].tolist(), "no second space"


def test_special_tokens_and_their_types_frame_every_window(tokenizer):
    frame = frame_of(tokenizer)
    assert (len(frame.before), len(frame.after)) == (1, 1)
    assert frame.before + frame.after == tokenizer("")["input_ids"]
    sentence = lay_out([np.array([9, 9], np.int32)] * 3, frame, 6, 1)
    assert sentence.window_lengths.tolist() == [6, 6]
    b, a = frame.before[0], frame.after[0]
    assert sentence.input_ids.tolist() == [b, 9, 9, 9, 9, a, b, 9, 9, 9, 9, a]
    assert sentence.token_type_ids.tolist() == [0] * 12
