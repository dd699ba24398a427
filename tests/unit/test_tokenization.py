"""Texts and pairs as the tokenizer behind transformers' reads them, against transformers' own call, text by text."""

from __future__ import annotations

import os

import numpy as np
import pytest

from bertft_core.config.encoder_settings import EncoderConfig
from bertft_core.data import tokenization
from bertft_core.data.encoder_files import resolve_encoder
from bertft_core.data.tokenization import encode, load_tokenizer
from tests.helpers.tiny_encoders import KINDS, tiny_encoder

LENGTH = 16
WORDS = ["good", "film", " ", "\n", "Ünïcode", "語", "🙂", "[SEP]", "</s>", "\x00", "x" * 40, ",", "'s"]


def random_text(rng: np.random.Generator) -> str:
    return " ".join(rng.choice(WORDS, rng.integers(0, 25)))


@pytest.mark.parametrize("family", KINDS)
@pytest.mark.parametrize("n_texts", [1, 2], ids=["text", "pair"])
def test_tokens_and_types_are_those_of_transformers(tmp_path, family, n_texts):
    tokenizer = load_tokenizer(resolve_encoder(EncoderConfig(path=str(tiny_encoder(tmp_path / "encoder", family))), tmp_path))
    rng = np.random.default_rng(0)
    texts = [tuple(random_text(rng) for _ in range(n_texts)) for _ in range(60)]
    tokenizer("good film " * 30, truncation=True, max_length=4, padding="max_length")  # settings that an earlier call leaves
    found = encode(tokenizer, texts, LENGTH)
    n_long = 0
    for text, ids, types, n in zip(texts, found.input_ids, found.token_type_ids, found.n_tokens, strict=True):
        batch = [[part] for part in text]  # a single call takes an empty second text for none
        whole = tokenizer(*batch)["input_ids"][0]
        cut = tokenizer(*batch, truncation=True, max_length=LENGTH, return_token_type_ids=True)
        assert (ids.tolist(), types.tolist(), n) == (cut["input_ids"][0], cut["token_type_ids"][0], len(whole))
        n_long += n > LENGTH
    assert 0 < n_long < len(texts)


@pytest.mark.parametrize("before", ["false", None])
def test_the_setting_of_the_tokenizers_library_is_left_as_it_was(monkeypatch, before):
    monkeypatch.delenv(tokenization.PARALLEL, raising=False)
    if before is not None:
        monkeypatch.setenv(tokenization.PARALLEL, before)
    with tokenization._on_all_cores():
        assert os.environ[tokenization.PARALLEL] == "true"
    assert os.environ.get(tokenization.PARALLEL) == before
