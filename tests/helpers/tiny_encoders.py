"""Tiny random encoders of each BERT family, with a letter-by-letter WordPiece tokenizer, made in well under a second."""

from __future__ import annotations

import json
import shutil
import string
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

KINDS = ("bert", "distilbert", "roberta", "electra", "deberta-v2")
WORDS = ["good", "bad", "not", "never", "film", "food", "great", "awful", "boring", "lovely", "the", "was", "it", "and", "but"]
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
POSITIONS = 64
MADE: dict[str, dict[str, bytes]] = {}
"""Files of the encoders made so far, by what was asked for: many tests ask for the same one."""


def tiny_encoder(directory: Path, kind: str = "bert", *, seed: int = 0, masked_lm_head: bool = False, **changes: Any) -> Path:
    """Write a random encoder and its tokenizer in the transformers format; `changes` go to its config."""
    asked = json.dumps([kind, seed, masked_lm_head, changes], sort_keys=True)
    if asked not in MADE:
        with TemporaryDirectory() as folder:
            _make(Path(folder), kind, seed, masked_lm_head, changes)
            MADE[asked] = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in MADE[asked].items():
        (directory / name).write_bytes(content)
    return directory


def with_masked_lm_head(encoder_dir: Path) -> Path:
    """A copy of an encoder beside it whose file also holds a random masked-LM head; its own weights keep their bits."""
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import AutoModelForMaskedLM

    target = encoder_dir.with_name(f"{encoder_dir.name}-masked-lm")
    if target.exists():
        return target
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = AutoModelForMaskedLM.from_pretrained(encoder_dir)
    prefix = f"{model.base_model_prefix}."
    weights = {prefix + name: values for name, values in load_file(encoder_dir / "model.safetensors").items()}
    head = {name: values.clone() for name, values in model.state_dict().items() if not name.startswith(prefix)}
    shutil.copytree(encoder_dir, target)
    save_file(weights | head, target / "model.safetensors", metadata={"format": "pt"})
    return target


def _make(directory: Path, kind: str, seed: int, masked_lm_head: bool, changes: dict[str, Any]) -> None:
    import torch
    from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM

    vocabulary = _vocabulary(kind)
    _write_tokenizer(directory, vocabulary)
    settings: dict[str, Any] = {"vocab_size": len(vocabulary), "pad_token_id": vocabulary["[PAD]"]}
    settings |= {"max_position_embeddings": POSITIONS, **_sizes(kind), **changes}
    if kind == "electra":
        settings["embedding_size"] = 8
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        auto_class = AutoModelForMaskedLM if masked_lm_head else AutoModel
        model = auto_class.from_config(AutoConfig.for_model(kind, **settings))
    model.save_pretrained(directory)


def _sizes(kind: str) -> dict[str, int]:
    if kind != "distilbert":
        return SIZES
    return {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32}


def _vocabulary(kind: str) -> dict[str, int]:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    if kind == "roberta":  # its padding has id 1, and its positions count from there
        special[:2] = ["[UNK]", "[PAD]"]
    letters = list(string.ascii_lowercase + string.digits + string.punctuation)
    tokens = special + WORDS + letters + [f"##{letter}" for letter in letters]
    return {token: i for i, token in enumerate(tokens)}


def _write_tokenizer(directory: Path, vocabulary: dict[str, int]) -> None:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = [("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=special
    )
    names = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=POSITIONS, model_input_names=inputs, **names
    ).save_pretrained(directory)
