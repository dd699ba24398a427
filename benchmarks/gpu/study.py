"""What is trained: the bundled reviews, and an encoder of BERT-base's size with random weights and a vocabulary of its own.

Nothing is downloaded. The weights decide what is learned, not what a step costs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from bertft_core.config import StudyConfig, parse_study
from bertft_core.data.prepare_study_data import prepare_data
from bertft_core.data.prepared_split import PreparedSplit
from bertft_core.planning.run_specs import plan_runs
from bertft_core.records import DatasetCard, RunSpec

REVIEWS = Path(__file__).resolve().parents[2] / "bertft_core/data/bundled/reviews/train.jsonl"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
MAX_LENGTH, BATCH_SIZE = 128, 16
FIRST_WEIGHTS_SEED = 0


class Size(NamedTuple):
    """Of an encoder, and of a run with it."""

    hidden: int
    layers: int
    heads: int
    intermediate: int
    vocabulary: int
    steps: int
    """Optimizer steps of one seed."""


BASE = Size(hidden=768, layers=12, heads=12, intermediate=3072, vocabulary=30_522, steps=120)
TINY = Size(hidden=16, layers=2, heads=2, intermediate=32, vocabulary=1000, steps=4)


def make_study(directory: Path, size: Size, device: str) -> tuple[StudyConfig, DatasetCard]:
    """A study of the bundled reviews with a new encoder, and its prepared data."""
    values: dict[str, Any] = {
        "name": "gpu-check",
        "description": "What a GPU is checked with; no score means anything.",
        "data": {"source": "bundled", "name": "reviews", "max_length": MAX_LENGTH},
        "encoder": {"path": str(make_encoder(directory / "encoder", size))},
        "training": {"batch_size": BATCH_SIZE, "max_steps": size.steps, "evaluate_every_steps": max(1, size.steps // 4)},
        "arms": {"full": {}},
        "seeds": {"n": 64},
        "execution": {"device": device, "kernels": "auto" if device == "cuda" else "mkl"},
        "retention": {"checkpoints": "none"},
    }
    study = parse_study(values)
    return study, prepare_data(study, home_dir=directory / "home")


def seeds_of(study: StudyConfig, card: DatasetCard, precision: str, n_steps: int | None = None) -> list[RunSpec]:
    """The runs of the study in a precision, cut to `n_steps` where given; none keeps its model."""
    changes = {"precision": precision} | ({} if n_steps is None else {"max_steps": n_steps})
    training = study.training.model_copy(update=changes)
    specs = plan_runs(study.model_copy(update={"training": training}), card, {})
    return [spec.model_copy(update={"keep_model": False}) for spec in specs]


def make_encoder(directory: Path, size: Size) -> Path:
    """Write weights and tokenizer."""
    tokenizer = make_tokenizer(size.vocabulary)
    tokenizer.save_pretrained(directory)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=size.hidden,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        intermediate_size=size.intermediate,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng():
        torch.manual_seed(FIRST_WEIGHTS_SEED)
        BertModel(config).save_pretrained(directory)
    return directory


def make_tokenizer(vocabulary: int) -> PreTrainedTokenizerFast:
    """WordPiece of the reviews, filled up to the size that the embeddings should have."""
    learned = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    learned.normalizer, learned.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=vocabulary, special_tokens=list(SPECIAL), show_progress=False)
    learned.train([str(REVIEWS)], trainer)
    pieces = sorted(learned.get_vocab(), key=learned.get_vocab().__getitem__)
    pieces += [f"[unused{i}]" for i in range(vocabulary - len(pieces))]
    ids = {piece: i for i, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = learned.normalizer, learned.pre_tokenizer
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, ids[token]) for token in ("[CLS]", "[SEP]")],
    )
    named = {f"{token[1:-1].lower()}_token": token for token in SPECIAL}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=512, **named)


def training_flops(split: PreparedSplit, size: Size, batch_size: int = BATCH_SIZE) -> float:
    """Floating-point operations of one mean step, forward and backward, of real tokens only."""
    lengths = np.concatenate([split.window_lengths(i) for i in range(split.n)])
    per_token = 2 * size.layers * (4 * size.hidden**2 + 2 * size.hidden * size.intermediate)
    attention = 4 * size.layers * size.hidden * np.square(lengths).sum()
    return 3.0 * batch_size / split.n * float(per_token * lengths.sum() + attention)
