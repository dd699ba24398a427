"""Windows cover the whole text, neighbours share what `doc_stride` says, and nothing counts as cut off."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import AutoTokenizer

from bertft_core.config import StudyConfig, UserError, parse_study
from bertft_core.data.prepare_study_data import prepare_data
from bertft_core.data.prepared_split import PreparedSplit, open_split
from bertft_core.data.tokenization import encode_windows
from tests.helpers.batches import has_token_types
from tests.helpers.tiny_encoders import KINDS, tiny_encoder

SIZES = [(16, 4), (16, 1), (16, 12), (8, 2), (48, 12)]
"""max_length and overlap."""


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def tokenizer(encoder) -> Any:
    return AutoTokenizer.from_pretrained(encoder)


def windows_of(ids: np.ndarray, lengths: np.ndarray) -> list[list[int]]:
    return [part.tolist() for part in np.split(ids, np.cumsum(lengths)[:-1])]


def merged(windows: list[list[int]], overlap: int) -> list[int]:
    """The subwords of the text: of every window but the first what its neighbour has not said."""
    return [piece for i, window in enumerate(windows) for piece in window[1:-1][overlap if i else 0 :]]


def random_texts(n: int, seed: int) -> list[str]:
    """Words, blanks, control characters, other scripts, marks and emoji, in any order and up to 200 of them."""
    alphabet = [
        "good ",
        "lovely",
        " ",
        "\n",
        "\t",
        "\x00",
        "\u0301",
        "\u2028",
        "é",
        "ß",
        "Ω",
        "語",
        "ا",
        "🙂",
        "[SEP]",
        "##a",
        *"abcxyz.,-7",
    ]
    rng = np.random.default_rng(seed)
    return ["", " ", "\x00"] + ["".join(rng.choice(alphabet, rng.integers(0, 200))) for _ in range(n)]


@pytest.mark.parametrize(("max_length", "overlap"), SIZES)
def test_windows_merge_to_the_whole_text(tokenizer, max_length, overlap):
    texts = random_texts(100, seed=max_length)
    encoded = encode_windows(tokenizer, texts, max_length, overlap)
    n_several = 0
    for i, text in enumerate(texts):
        pieces = tokenizer(text, add_special_tokens=False)["input_ids"]
        windows = windows_of(encoded.input_ids[i], encoded.window_lengths[i])
        n_several += len(windows) > 1
        assert merged(windows, overlap) == pieces
        assert encoded.n_tokens[i] == len(pieces) + 2
        assert all(len(window) == max_length for window in windows[:-1])
        for window, following in itertools.pairwise(windows):
            assert window[1:-1][-overlap:] == following[1:-1][:overlap]
            assert len(following) - 2 > overlap, "every window brings something new"
        assert {(window[0], window[-1]) for window in windows} == {(tokenizer.cls_token_id, tokenizer.sep_token_id)}
        assert len(encoded.token_type_ids[i]) == len(encoded.input_ids[i])
    assert n_several > 40


@pytest.mark.parametrize("n", [0, 13, 14, 15, 24, 25, 34])
def test_the_number_of_windows_is_the_smallest_that_covers(tokenizer, n):
    """14 pieces fit into a window of 16, and each further one brings 10 more."""
    encoded = encode_windows(tokenizer, ["good " * n], 16, 4)
    assert len(encoded.window_lengths[0]) == max(1, 1 + -(-(n - 14) // 10))
    assert encoded.n_tokens == [n + 2]


TEXTS = ["good film", "the film was great and the food was good and it was lovely", "never " * 40, "bad", "awful " * 15]


def study_of(folder: Path, encoder: Path, **data: Any) -> StudyConfig:
    rows = [{"text": f"{text} {i}", "label": f"l{i % 2}"} for i, text in enumerate(TEXTS * 4)]
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    values = {"source": "files", "train": str(folder / "train.jsonl"), "max_length": 16, "long_texts": "windows"} | data
    return parse_study({"name": "s", "data": values, "encoder": {"path": str(encoder)}, "arms": {"full": {}}})


@pytest.mark.parametrize("kind", KINDS)
def test_a_prepared_split_holds_every_window_and_nothing_is_truncated(tmp_path, kind):
    encoder = tiny_encoder(tmp_path / kind, kind)
    card = prepare_data(study_of(tmp_path, encoder, doc_stride=5), home_dir=tmp_path / "home")
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    split = open_split(card.directory, "train")
    assert has_token_types(split) == (kind not in ("distilbert", "deberta-v2"))
    n_windows = 0
    for i in range(split.n):
        (text,) = split.texts(i)
        windows = windows_of(split.input_ids(i), split.window_lengths(i))
        expected = tokenizer(text, truncation=True, max_length=16, stride=5, return_overflowing_tokens=True)["input_ids"]
        assert windows == expected
        assert split.n_tokens[i] == len(tokenizer(text)["input_ids"])
        n_windows += len(windows)
    assert card.splits["train"].n_windows == split.n_windows == n_windows > 1.5 * split.n
    assert not split.truncated(16).any()
    assert split.n_tokens.max() > 16
    assert card.splits["train"].truncated_ratio == 0
    assert "truncated" not in {finding.check for finding in card.findings}


def test_without_doc_stride_neighbours_share_a_quarter(tmp_path, encoder):
    def split(name: str, **data: Any) -> PreparedSplit:
        card = prepare_data(study_of(tmp_path, encoder, **data), home_dir=tmp_path / name)
        return open_split(card.directory, "train")

    assert split("default").table.equals(split("four", doc_stride=4).table)
    assert not split("default").table.equals(split("five", doc_stride=5).table)


def test_the_fingerprint_follows_windows_and_stride(tmp_path, encoder):
    def fingerprint(**data: Any) -> str:
        return prepare_data(study_of(tmp_path, encoder, **data), home_dir=tmp_path / "home").fingerprint

    found = [fingerprint(), fingerprint(doc_stride=5), fingerprint(long_texts="truncate")]
    assert len(set(found)) == 3
    assert fingerprint(doc_stride=4) == found[0], "the default, said aloud"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"doc_stride": 13}, "cannot advance"),
        ({"long_texts": "truncate", "doc_stride": 4}, "only windows overlap"),
        ({"text": ["text", "label"]}, "windows are made of one text"),
    ],
)
def test_windows_that_make_no_sense_are_refused(tmp_path, encoder, data, message):
    with pytest.raises(UserError, match=message):
        study_of(tmp_path, encoder, **data)
