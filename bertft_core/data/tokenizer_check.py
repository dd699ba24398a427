"""A tokenizer belongs to its model: its files can be read, and every token has an embedding of its own."""

from pathlib import Path
from typing import Any

from bertft_core.config import UserError
from bertft_core.config.encoder_families import BERT_LIKE
from bertft_core.data.encoder_config import read_json_object
from bertft_core.data.encoder_files import EncoderFiles
from bertft_core.data.examples import shorten
from bertft_core.data.tokenization import load_tokenizer
from bertft_core.data.tokenizer_names import TOKENIZER_FILES, TOKENIZER_SETTINGS
from bertft_core.storage.foreign_content import foreign_content

HINT = "copy the tokenizer's files from the checkpoint again, or save the model's own tokenizer with save_pretrained"
LEAST_SHARE = 0.5
"""Of the embeddings that have a token: a few rows are added to round a size up, but half of them means a vocabulary cut short."""
READS_SEPARATORS = frozenset({"longformer", "big_bird"})
"""Families whose models find the end of a question by the id that config.json gives the separator."""
SPECIAL = ("unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


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
    _refuse_failing(encoder, tokenizer)
    if encoder.settings["model_type"] not in BERT_LIKE:
        return
    missing = [name for name in SPECIAL if getattr(tokenizer, f"{name}_id", None) is None]
    if missing or tokenizer.num_special_tokens_to_add(pair=False) < 2:
        found = f"no {', '.join(missing)}" if missing else "texts without special tokens at their ends"
        raise _other(encoder, "the encoder's tokenizer lacks special tokens", found, code="tokenizer.special-tokens")
    _refuse_confused(encoder, tokenizer)
    for name in ("pad", "sep") if encoder.settings["model_type"] in READS_SEPARATORS else ("pad",):
        there, own = encoder.settings.get(f"{name}_token_id"), getattr(tokenizer, f"{name}_token_id")
        if there is not None and there != own:
            found = f"{getattr(tokenizer, f'{name}_token')} has the id {own}, and {there} in config.json"
            raise _other(encoder, "the encoder's tokenizer numbers its tokens in another way", found, code="tokenizer.other-ids")


def _refuse_failing(encoder: EncoderFiles, tokenizer: Any) -> None:
    """Raise `UserError` for a tokenizer that loads, and fails on a text."""
    try:
        tokenizer("a")
        tokenizer("a a a", "a a a", truncation=True, max_length=8)
    except Exception as error:  # of many kinds, all meaning that its settings are wrong
        found = shorten(str(error) or type(error).__name__, 200)
        raise _other(encoder, "the encoder's tokenizer fails on a text", found, code="tokenizer.fails") from None


def _refuse_confused(encoder: EncoderFiles, tokenizer: Any) -> None:
    """Raise `UserError` where two tokens have one id, one token has two special roles, or a special token is a word."""
    by_id: dict[int, str] = {}
    for token, i in sorted(tokenizer.get_vocab().items()):
        if i in by_id:
            found = f"{shorten(by_id[i], 40)} and {shorten(token, 40)} have the id {i}"
            raise _other(encoder, "two tokens of the encoder's tokenizer have the same id", found, code="tokenizer.same-id")
        by_id[i] = token
    ids = {name: getattr(tokenizer, f"{name}_id") for name in SPECIAL}
    words = [name for name in SPECIAL if str(getattr(tokenizer, name)).isalnum()]
    if words or len(set(ids.values())) < len(ids):
        found = ", ".join(f"{name}: {shorten(str(getattr(tokenizer, name)), 40)}" for name in words or SPECIAL)
        problem = "special tokens of the encoder's tokenizer are words, or one token is two of them"
        raise _other(encoder, problem, found, code="tokenizer.special-tokens")


def _other(encoder: EncoderFiles, problem: str, found: str, *, code: str) -> UserError:
    return _refusal(encoder.directory, problem, found, "the tokenizer that the model was trained with", code=code)


def _refusal(path: Path, problem: str, found: str, expected: str, *, code: str) -> UserError:
    return UserError(problem, code=code, path=path, found=found, expected=expected, hint=HINT)
