"""Tiny random encoders of each BERT family, with a letter-by-letter WordPiece tokenizer, made in well under a second."""

from __future__ import annotations

import json
import shutil
import string
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

import pytest

KINDS = ("bert", "distilbert", "roberta", "electra", "deberta-v2")
NEWER_KINDS = ("albert", "mpnet", "longformer", "big_bird", "modernbert", "eurobert", "deberta", "nomic_bert")
"""Families whose layers are known too."""
EVERY_KIND = (*KINDS, *(pytest.param(kind, marks=pytest.mark.slow) for kind in NEWER_KINDS))
PLAIN_KINDS = ("ernie", "convbert", "mobilebert", "squeezebert", "roformer", "fnet", "funnel")
"""Families that are fine-tuned as a whole only."""
WORDS = ["good", "bad", "not", "never", "film", "food", "great", "awful", "boring", "lovely", "the", "was", "it", "and", "but"]
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
SIZES_OF: dict[str, dict[str, Any]] = {
    "distilbert": {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32},
    "funnel": {"d_model": 16, "block_sizes": [1, 1], "num_decoder_layers": 1, "n_head": 2, "d_head": 8, "d_inner": 32},
}
"""What a family calls the sizes of its model, where that is not as in `SIZES`."""
GROUPED = ("q", "k", "v", "post_attention", "intermediate", "output")
OF_KIND: dict[str, dict[str, Any]] = {
    "electra": {"embedding_size": 8},
    "albert": {"embedding_size": 8},
    "longformer": {"attention_window": 8, "max_position_embeddings": 66},
    "mpnet": {"max_position_embeddings": 66},
    "big_bird": {"block_size": 4, "num_random_blocks": 1},
    "modernbert": {"local_attention": 8, "global_attn_every_n_layers": 2},
    "eurobert": {"num_key_value_heads": 2},
    "deberta": {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "type_vocab_size": 0},
    "convbert": {"embedding_size": 16, "conv_kernel_size": 3},
    "mobilebert": {"embedding_size": 16, "intra_bottleneck_size": 16, "true_hidden_size": 16, "num_feedforward_networks": 1},
    "squeezebert": {"embedding_size": 16} | {f"{name}_groups": 2 for name in GROUPED},
    "funnel": {"architectures": ["FunnelModel"]},
}
WITH_IDS = ("longformer", "big_bird", "modernbert", "eurobert")
"""Families whose config names the ids of special tokens, with defaults beyond a small vocabulary."""
PAD_IS_1 = ("roberta", "mpnet", "longformer")
POSITIONS = 64
MADE: dict[str, dict[str, bytes]] = {}
"""Files of the encoders made so far, by what was asked for: many tests ask for the same one."""


def tiny_encoder(
    directory: Path,
    kind: str = "bert",
    *,
    seed: int = 0,
    masked_lm_head: bool = False,
    tokenizer: PreTrainedTokenizerFast | None = None,
    **changes: Any,
) -> Path:
    """Write a random encoder and its tokenizer, the letter-by-letter one by default; `changes` go to the encoder's config."""
    written = None if tokenizer is None else tokenizer.backend_tokenizer.to_str()
    asked = json.dumps([kind, seed, masked_lm_head, written, changes], sort_keys=True)
    if asked not in MADE:
        with TemporaryDirectory() as folder:
            _make(Path(folder), kind, seed, masked_lm_head, tokenizer or _letters(kind), changes)
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


def _make(
    directory: Path, kind: str, seed: int, masked_lm_head: bool, tokenizer: PreTrainedTokenizerFast, changes: dict[str, Any]
) -> None:
    import torch
    from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM

    tokenizer.model_max_length = POSITIONS
    tokenizer.save_pretrained(directory)
    settings: dict[str, Any] = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    settings |= {"max_position_embeddings": POSITIONS, **SIZES_OF.get(kind, SIZES), **OF_KIND.get(kind, {})}
    if kind in WITH_IDS:
        first, last = tokenizer.cls_token_id, tokenizer.sep_token_id
        settings |= {"cls_token_id": first, "sep_token_id": last, "bos_token_id": first, "eos_token_id": last}
    settings |= changes
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        auto_class = AutoModelForMaskedLM if masked_lm_head else AutoModel
        model = auto_class.from_config(AutoConfig.for_model(kind, **settings))
    model.save_pretrained(directory)


def _vocabulary(kind: str) -> dict[str, int]:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    if kind in PAD_IS_1:  # their padding has id 1, and their positions count from there
        special[:2] = ["[UNK]", "[PAD]"]
    letters = list(string.ascii_lowercase + string.digits + string.punctuation)
    tokens = special + WORDS + letters + [f"##{letter}" for letter in letters]
    return {token: i for i, token in enumerate(tokens)}


def _letters(kind: str) -> PreTrainedTokenizerFast:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary, between = _vocabulary(kind), "[SEP] [SEP]" if kind == "longformer" else "[SEP]"
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = [("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair=f"[CLS] $A {between} $B:1 [SEP]:1", special_tokens=special
    )
    names = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=POSITIONS, model_input_names=inputs, **names)
