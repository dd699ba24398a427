"""Tokenizers of the families, trained on a few texts in a moment: each marks in its own way where a word begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

SPECIAL = {"cls_token": "<s>", "pad_token": "<pad>", "sep_token": "</s>", "unk_token": "<unk>", "mask_token": "<mask>"}
"""In the order of their ids: RoBERTa's padding is 1."""


def wordpiece(texts: Sequence[str], *, vocab_size: int = 400) -> PreTrainedTokenizerFast:
    """As cased BERT's: a mark on what continues a word."""
    tokenizer = Tokenizer(models.WordPiece(unk_token=SPECIAL["unk_token"]))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return _trained(tokenizer, trainers.WordPieceTrainer(vocab_size=vocab_size, **_how()), texts)


def byte_level(texts: Sequence[str], *, vocab_size: int = 400, add_prefix_space: bool = False) -> PreTrainedTokenizerFast:
    """As RoBERTa's: bytes in pairs, a word is known by the space before it."""
    tokenizer = Tokenizer(models.BPE(unk_token=SPECIAL["unk_token"]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    return _trained(tokenizer, trainers.BpeTrainer(vocab_size=vocab_size, initial_alphabet=alphabet, **_how()), texts)


def unigram(texts: Sequence[str], *, vocab_size: int = 80, prepend_scheme: str = "always") -> PreTrainedTokenizerFast:
    """As XLM-R's and DeBERTa-v3's: pieces that begin a word carry a bar; a character that was never seen is unknown."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=prepend_scheme)
    trainer = trainers.UnigramTrainer(vocab_size=vocab_size, unk_token=SPECIAL["unk_token"], **_how())
    return _trained(tokenizer, trainer, texts)


def _how() -> dict[str, Any]:
    return {"special_tokens": list(SPECIAL.values()), "show_progress": False}


def _trained(tokenizer: Tokenizer, trainer: Any, texts: Sequence[str]) -> PreTrainedTokenizerFast:
    tokenizer.train_from_iterator(texts, trainer)
    first, last = SPECIAL["cls_token"], SPECIAL["sep_token"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}",
        pair=f"{first} $A {last} {last} $B {last}",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (first, last)],
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL)
