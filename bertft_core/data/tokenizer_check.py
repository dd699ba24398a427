"""A tokenizer belongs to its model: its files can be read, and every token has an embedding of its own."""

from pathlib import Path
from typing import Any

from bertft_core.config import UserError
from bertft_core.data.encoder_config import read_json_object
from bertft_core.data.encoder_files import TOKENIZER_FILES, TOKENIZER_SETTINGS, EncoderFiles
from bertft_core.data.tokenization import load_tokenizer
from bertft_core.storage.foreign_content import foreign_content

HINT = "copy the tokenizer's files from the checkpoint again, or save the model's own tokenizer with save_pretrained"
LEAST_SHARE = 0.5
"""Of the embeddings that have a token: a few rows are added to round a size up, but half of them means a vocabulary cut short."""
SPECIAL = ("unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
BERT_LIKE = frozenset({"bert", "roberta", "xlm-roberta", "camembert", "electra", "distilbert", "deberta-v2", "modernbert"})
"""Families whose texts always begin with one special token and end with another."""


def refuse_damaged_files(directory: Path) -> None:
    """Raise `UserError` for a file of the tokenizer that is empty, of another kind, or no JSON object where it should be one."""
    for name in (*TOKENIZER_FILES, *TOKENIZER_SETTINGS):
        path = directory / name
        if not path.is_file():
            continue
        if path.suffix == ".json":
            read_json_object(path, code="tokenizer.damaged", expected="a JSON object, as transformers saves it", hint=HINT)
        elif (what := foreign_content(path)) is not None:
            raise _refusal(path, "the encoder's tokenizer cannot be read", what, f"a {name}", code="tokenizer.damaged")


def refuse_unusable_tokenizer(encoder: EncoderFiles) -> None:
    """Raise `UserError` for a tokenizer that does not load, or whose tokens are not those of the model's embeddings."""
    tokenizer = load_tokenizer(encoder)
    size, n_tokens = encoder.settings.get("vocab_size"), len(tokenizer)
    if isinstance(size, int) and n_tokens < LEAST_SHARE * size:
        found = f"{n_tokens} tokens for {size} embeddings"
        raise _other(encoder, "the encoder's tokenizer has too few tokens for the model", found, code="tokenizer.too-small")
    if encoder.settings["model_type"] not in BERT_LIKE:
        return
    missing = [name for name in SPECIAL if getattr(tokenizer, f"{name}_id", None) is None]
    if missing or not _adds_special_tokens(tokenizer):
        found = f"no {', '.join(missing)}" if missing else "texts without special tokens at their ends"
        raise _other(encoder, "the encoder's tokenizer lacks special tokens", found, code="tokenizer.special-tokens")
    pad = encoder.settings.get("pad_token_id")
    if pad is not None and pad != tokenizer.pad_token_id:
        found = f"{tokenizer.pad_token} has the id {tokenizer.pad_token_id}, and {pad} in config.json"
        raise _other(encoder, "the encoder's tokenizer numbers its tokens in another way", found, code="tokenizer.other-ids")


def _adds_special_tokens(tokenizer: Any) -> bool:
    return bool(tokenizer.num_special_tokens_to_add(pair=False) >= 2)


def _other(encoder: EncoderFiles, problem: str, found: str, *, code: str) -> UserError:
    return _refusal(encoder.directory, problem, found, "the tokenizer that the model was trained with", code=code)


def _refusal(path: Path, problem: str, found: str, expected: str, *, code: str) -> UserError:
    return UserError(problem, code=code, path=path, found=found, expected=expected, hint=HINT)
