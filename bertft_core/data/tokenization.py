"""Tokenise texts once, with the encoder's own tokenizer."""

import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bertft_core.config import UserError
from bertft_core.config.base import digest_of
from bertft_core.config.encoder_families import most_tokens
from bertft_core.data.encoder_files import EncoderFiles
from bertft_core.data.examples import shorten
from bertft_core.data.reading_progress import has_tokenised
from bertft_core.data.slow_libraries import need_slow_libraries
from bertft_core.data.tokenizer_names import TOKENIZER_FILES, TOKENIZER_SETTINGS
from bertft_core.data.word_by_word import Input, WordByWord, cuts_at_spaces
from bertft_core.storage.study_dir import file_sha256

NAMES_ONLY = frozenset({"name_or_path", "special_tokens_map_file", "tokenizer_file", "transformers_version"})
"""Tokenizer settings that record its origin and never change a token."""
PARALLEL = "TOKENIZERS_PARALLELISM"
"""What the tokenizers library asks before each batch."""
CHUNK, CHUNK_CHARACTERS = 1000, 1_000_000
"""Most texts and characters that are tokenised at once: the tokenizer takes about 25 bytes for each character meanwhile."""


def tokenizer_digest(encoder: EncoderFiles) -> str:
    """SHA-256 of everything that determines the tokens of a text and the inputs of the model."""
    present = [encoder.directory / name for name in TOKENIZER_FILES if (encoder.directory / name).is_file()]
    files = present[:1] if present[0].name == "tokenizer.json" else present  # it includes the other files
    settings = [encoder.directory / name for name in TOKENIZER_SETTINGS]
    parts: dict[str, Any] = {path.name: file_sha256(path) for path in files}
    parts |= {path.name: _settings_of(path) for path in settings if path.is_file()}
    return digest_of(parts | {"token_types": uses_token_types(encoder)})


def _settings_of(path: Path) -> dict[str, Any]:
    settings = json.loads(path.read_text(encoding="utf-8"))
    return {key: value for key, value in settings.items() if key not in NAMES_ONLY}


def uses_token_types(encoder: EncoderFiles) -> bool:
    """Whether the model distinguishes the two texts of a pair by token type."""
    default = 2 if encoder.settings.get("model_type") in ("bert", "electra") else 0
    given = encoder.settings.get("type_vocab_size")
    return (default if given is None else given) > 1


def refuse_too_long(max_length: int, encoder: EncoderFiles) -> None:
    """Raise `UserError` if the model has no position embeddings for inputs of this length."""
    limit = most_tokens(encoder.settings)
    if limit is not None and max_length > limit:
        raise UserError(
            "data.max_length is longer than the encoder can read",
            code="encoder.max-length",
            path=encoder.directory / "config.json",
            found=f"{max_length} tokens",
            expected=f"at most {limit} tokens",
            hint=f"set data.max_length to {limit} or less",
        )


def load_tokenizer(encoder: EncoderFiles) -> Any:
    """The encoder's fast tokenizer; raises `UserError` if there is none or it belongs to another model."""
    need_slow_libraries()
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(encoder.directory), local_files_only=True, trust_remote_code=False)
    except Exception as error:  # damaged files, unknown classes, remote code: the user needs one message
        found = shorten(str(error) or type(error).__name__, 300)
        raise _unusable(encoder, found, "a tokenizer that transformers can load without remote code") from None
    if not tokenizer.is_fast:
        raise _unusable(encoder, f"{type(tokenizer).__name__}, a slow tokenizer", "a fast tokenizer (tokenizer.json)")
    largest, size = max(tokenizer.get_vocab().values()), encoder.settings.get("vocab_size")
    if size is not None and largest >= size:
        raise _unusable(encoder, f"token ids up to {largest}", f"ids under the model's vocab_size of {size}")
    return tokenizer


def _unusable(encoder: EncoderFiles, found: str, expected: str) -> UserError:
    hint = "save the model's own tokenizer with it, using save_pretrained"
    return UserError(
        "the encoder's tokenizer cannot be used",
        code="tokenizer.unusable",
        path=encoder.directory,
        found=found,
        expected=expected,
        hint=hint,
    )


@dataclass(frozen=True)
class Encoded:
    """Tokens of many texts."""

    input_ids: list[np.ndarray]
    """int32 for each example, its windows concatenated."""
    token_type_ids: list[np.ndarray]
    """int8, the same shapes."""
    n_tokens: list[int]
    """Length of the whole text, special tokens included, before truncation."""
    window_lengths: list[np.ndarray] = field(default_factory=list)
    """int32 for each example, if texts were read in windows."""


def encode(tokenizer: Any, texts: Sequence[tuple[str, ...]], max_length: int) -> Encoded:
    """Texts or pairs, truncated to `max_length` tokens (of a pair, the longer text first)."""
    ids: list[np.ndarray] = []
    types: list[np.ndarray] = []
    n_tokens: list[int] = []
    whole = _whole_inputs(tokenizer, len(texts[0]) if texts else 1)
    for chunk in _chunks(texts):
        rows, row_types = map(list, zip(*whole(chunk), strict=True))
        lengths = list(map(len, rows))
        long = [i for i, length in enumerate(lengths) if length > max_length]
        if long:
            cut = _encode(tokenizer, [chunk[i] for i in long], truncation=True, max_length=max_length)
            for i, row, its_types in zip(long, cut["input_ids"], cut["token_type_ids"], strict=True):
                rows[i], row_types[i] = np.array(row, np.int32), np.array(its_types, np.int8)
        ids += rows
        types += row_types
        n_tokens += lengths
    return Encoded(ids, types, n_tokens)


def _chunks(texts: Sequence[tuple[str, ...]]) -> Iterator[list[tuple[str, ...]]]:
    """The texts in their order, as many at a time as are tokenised at once; says how many are done."""
    chunk: list[tuple[str, ...]] = []
    n_characters = 0
    has_tokenised(0, len(texts))
    for i, text in enumerate(texts):
        chunk.append(text)
        n_characters += sum(map(len, text))
        if len(chunk) == CHUNK or n_characters >= CHUNK_CHARACTERS or i == len(texts) - 1:
            yield chunk
            chunk, n_characters = [], 0
            has_tokenised(i + 1, len(texts))


def encode_windows(tokenizer: Any, texts: Sequence[str], max_length: int, overlap: int) -> Encoded:
    """Whole texts in windows of at most `max_length` tokens; neighbours share `overlap` tokens."""
    ids: list[np.ndarray] = []
    types: list[np.ndarray] = []
    n_tokens: list[int] = []
    window_lengths: list[np.ndarray] = []
    n_special = tokenizer.num_special_tokens_to_add(pair=False)
    for text in itertools.chain.from_iterable(_chunks([(text,) for text in texts])):
        encoded = _encode(
            tokenizer, [text], truncation=True, max_length=max_length, stride=overlap, return_overflowing_tokens=True
        )
        windows = [np.array(window, np.int32) for window in encoded["input_ids"]]
        ids.append(np.concatenate(windows))
        types.append(np.concatenate([np.array(window, np.int8) for window in encoded["token_type_ids"]]))
        window_lengths.append(np.array([len(window) for window in windows], np.int32))
        n_tokens.append(len(ids[-1]) - (len(windows) - 1) * (n_special + overlap))
    return Encoded(ids, types, n_tokens, window_lengths)


def table_of(
    tokenizer: Any, example_ids: Sequence[str], encoded: Encoded, more: dict[str, Any], *, types: bool, pair: bool
) -> pa.Table:
    """The Arrow table of a split: ids, tokens (with token types if the model uses them) and `more` columns.

    `n_unknown` counts the unknown tokens.
    """
    input_ids = lists(encoded.input_ids)
    offsets, ids = np.from_dlpack(input_ids.offsets), np.from_dlpack(input_ids.values)
    n_unknown = np.diff(np.concatenate([[0], np.cumsum(ids == tokenizer.unk_token_id)])[offsets])
    columns = {
        "example_id": pa.array(example_ids, pa.string()),
        "input_ids": input_ids,
        "n_pieces": pa.array(encoded.n_tokens, pa.int32()),
        "n_unknown": pa.array(n_unknown, pa.int32()),
        **more,
    }
    if types:
        columns["token_type_ids"] = lists(encoded.token_type_ids)
    n_special = tokenizer.num_special_tokens_to_add(pair=pair)
    about = {"pad_token_id": str(tokenizer.pad_token_id or 0), "n_special": str(n_special)}
    return pa.table(columns).replace_schema_metadata(about)


def _whole_inputs(tokenizer: Any, n_texts: int) -> Callable[[Sequence[tuple[str, ...]]], list[Input]]:
    """What gives the ids and types of whole texts or pairs, as `_encode`, by the tokenizer behind it, on all cores."""
    backend = tokenizer.backend_tokenizer

    def encode_all(texts: Sequence[Any], special: bool = True) -> Sequence[Any]:
        backend.no_truncation()
        backend.no_padding()
        backend.encode_special_tokens = tokenizer.split_special_tokens
        with _on_all_cores():
            return backend.encode_batch_fast(texts, add_special_tokens=special)  # without places in the text

    if cuts_at_spaces(backend):
        return WordByWord(encode_all, n_texts)
    return lambda texts: [
        (np.array(row.ids, np.int32), np.array(row.type_ids, np.int8))
        for row in encode_all([text[0] if n_texts == 1 else text for text in texts])
    ]


@contextmanager
def _on_all_cores() -> Iterator[None]:
    """Elsewhere it keeps to one thread: workers train on the other cores."""
    before = os.environ.get(PARALLEL)
    os.environ[PARALLEL] = "true"
    try:
        yield
    finally:
        if before is None:
            del os.environ[PARALLEL]
        else:
            os.environ[PARALLEL] = before


def _encode(tokenizer: Any, texts: Iterable[tuple[str, ...]], **how: Any) -> dict[str, list[list[int]]]:
    firsts, *seconds = (list(column) for column in zip(*texts, strict=True))
    return dict(
        tokenizer(firsts, *seconds, padding=False, verbose=False, return_attention_mask=False, return_token_type_ids=True, **how)
    )


def lists(rows: Sequence[np.ndarray]) -> pa.Array:
    """Rows of different lengths as one Arrow list array."""
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    return pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), pa.array(np.concatenate(rows)))
