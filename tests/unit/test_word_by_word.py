"""Texts are tokenised by their words exactly where that gives what the tokenizer gives for the whole text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertft_core.config.encoder_settings import EncoderConfig
from bertft_core.data import word_by_word
from bertft_core.data.encoder_files import resolve_encoder
from bertft_core.data.tokenization import load_tokenizer
from bertft_core.data.word_by_word import WordByWord, cuts_at_spaces
from tests.helpers.tiny_encoders import tiny_encoder

MARKED = [
    "e\u0301",
    "e\u0323\u0301",
    "\u0301\u0323",
    "\u0307",
    "\u0345",
    "İ",
    "ǰ",
    "ΑΣ",
    "ß",
    "ﬁ",
    "ſ",
    "한국",
    "中国",
    "\U00020000",
]
BLANKS = [" ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u2028", "\u3000", "\x85", "\x1f", "\u200b", "\ufeff", "\x00", "\ufffd", ""]
FRAGMENTS = ["good", "film", "x" * 120, "##ing", "[SEP]", "[MASK]", "[CLS]x", "...", "'s", *MARKED, *BLANKS]
TEXTS = st.one_of(
    st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join), st.text(st.characters(exclude_categories=["Cs"]))
)


def backend_of(encoder: EncoderConfig, folder: Path | None = None):
    backend = load_tokenizer(resolve_encoder(encoder, folder)).backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    return backend


def tiny(folder: Path, family: str = "bert"):
    return backend_of(EncoderConfig(path=str(tiny_encoder(folder / family, family))), folder)


@pytest.fixture(scope="module", params=["tiny", "default"])
def backend(request, tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("encoder")) if request.param == "tiny" else backend_of(EncoderConfig())


def encode_with(backend):
    return lambda texts, special: backend.encode_batch_fast(texts, add_special_tokens=special)


@pytest.mark.parametrize("special", [True, False], ids=["split", "kept"])
@given(texts=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4))
def test_the_tokens_of_a_text_are_those_of_its_words(backend, texts, special):
    assert cuts_at_spaces(backend)
    backend.encode_special_tokens = special
    for inputs in (texts, [text[:1] for text in texts]):
        n_texts = len(inputs[0])
        found = WordByWord(encode_with(backend), n_texts)(inputs)
        expected = backend.encode_batch_fast([text if n_texts == 2 else text[0] for text in inputs])
        assert [(ids.tolist(), types.tolist()) for ids, types in found] == [(row.ids, row.type_ids) for row in expected]


def test_what_is_remembered_and_forgotten_changes_no_token(backend, monkeypatch):
    rng = np.random.default_rng(0)
    batches = [[(" ".join(rng.choice(FRAGMENTS, 9)),) for _ in range(5)] for _ in range(6)]
    whole = WordByWord(encode_with(backend), 1)
    remembered = [ids.tolist() for batch in batches for ids, _ in whole(batch)]
    monkeypatch.setattr(word_by_word, "KEPT_CHARACTERS", 0)
    forgetful = WordByWord(encode_with(backend), 1)
    assert [ids.tolist() for batch in batches for ids, _ in forgetful(batch)] == remembered
    assert len(forgetful._tokens) < len(whole._tokens)


def test_a_token_with_a_space_in_it_reaches_over_words(tmp_path):
    from tokenizers import AddedToken

    backend = tiny(tmp_path)
    backend.add_special_tokens(["[X]"])
    assert cuts_at_spaces(backend)
    backend.add_tokens([AddedToken("good film", normalized=False)])
    assert not cuts_at_spaces(backend)


def test_a_tokenizer_of_another_kind_reads_texts_as_a_whole(tmp_path):
    from tokenizers import pre_tokenizers

    backend = tiny(tmp_path)
    backend.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.BertPreTokenizer()])
    assert not cuts_at_spaces(backend)
