"""Every strategy by its kind: what leaves a run as it is, what changes it, and a small run to show it on."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from bertft_core.config import StudyConfig
from bertft_core.records import DatasetCard, RunSpec
from bertft_core.training.run import RunParts, ignore
from tests.helpers.tiny_encoders import with_masked_lm_head
from tests.helpers.tiny_studies import NEGATIVE, POSITIVE, tiny_questions, tiny_study, tiny_tagged_study

Strategy = dict[str, Any]

NEUTRAL: dict[str, Strategy | str] = {
    "full": {"kind": "full"},
    "feature_extraction": "it freezes the encoder or is not there; a frozen encoder has no setting that learns",
    "bitfit": "it freezes all but the biases or is not there",
    "lora": {"kind": "lora", "rank": 0},
    "freezing": {"kind": "freezing", "layers": 0, "embeddings": False},
    "reinit": {"kind": "reinit", "layers": 0, "pooler": False},
    "llrd": {"kind": "llrd", "decay": 1.0},
    "gradual_unfreezing": {"kind": "gradual_unfreezing", "every_epochs": 0},
    "mixout": {"kind": "mixout", "p": 0.0},
    "prior_decay": {"kind": "prior_decay", "rate": 0.0},
    "legacy_adam": "it is another optimizer or is not there",
    "early_stopping": {"kind": "early_stopping", "patience": 1000},
    "class_weights": {"kind": "class_weights", "weights": {}},
    "oversampling": {"kind": "oversampling", "ratio": 0.0},
    "stratified_batches": "it arranges the batches or is not there",
    "focal_loss": {"kind": "focal_loss", "gamma": 0.0},
    "label_smoothing": {"kind": "label_smoothing", "epsilon": 0.0},
    "replay": {"kind": "replay", "share": 0.0},
    "swa": {"kind": "swa", "last": 1},
}
"""Kind → its neutral setting, or why there is none."""

ACTIVE: dict[str, Strategy | str] = {
    "full": "it is what a run does without any strategy",
    "feature_extraction": {"kind": "feature_extraction"},
    "bitfit": {"kind": "bitfit"},
    "lora": {"kind": "lora", "rank": 4},
    "freezing": {"kind": "freezing", "layers": 1},
    "reinit": {"kind": "reinit", "layers": 1},
    "llrd": {"kind": "llrd", "decay": 0.5},
    "gradual_unfreezing": {"kind": "gradual_unfreezing", "every_steps": 4},
    "mixout": {"kind": "mixout", "p": 0.5},
    "prior_decay": {"kind": "prior_decay", "rate": 0.5},
    "legacy_adam": {"kind": "legacy_adam"},
    "early_stopping": {"kind": "early_stopping", "patience": 1, "min_delta": 100.0},
    "class_weights": {"kind": "class_weights", "weights": "balanced"},
    "oversampling": {"kind": "oversampling", "ratio": 1.0},
    "stratified_batches": {"kind": "stratified_batches"},
    "focal_loss": {"kind": "focal_loss", "gamma": 2.0},
    "label_smoothing": {"kind": "label_smoothing", "epsilon": 0.2},
    "replay": {"kind": "replay", "share": 0.5},
    "swa": {"kind": "swa", "last": 2},
}
"""Kind → a setting that makes a difference within eight steps, or why there is none."""
SETTINGS: dict[str, Strategy] = {kind: {"kind": "full"} if isinstance(given, str) else given for kind, given in ACTIVE.items()}

LEARNING: dict[str, Callable[[str, int, int], bool]] = {
    "feature_extraction": lambda name, depth, n_layers: not name.startswith("bert."),
    "bitfit": lambda name, depth, n_layers: name.endswith("bias") or not name.startswith("bert."),
    "lora": lambda name, depth, n_layers: "lora_" in name or not name.startswith("bert."),
    "freezing": lambda name, depth, n_layers: depth >= 2,
    "gradual_unfreezing": lambda name, depth, n_layers: depth >= n_layers,  # the second unfreezing would come after the last step
}
"""Kind → whether a parameter changes in eight steps of `ACTIVE`, by its name and depth; of every other kind all of them do."""


def lopsided_study(directory: Path, **how: Any) -> tuple[StudyConfig, DatasetCard]:
    """`tiny_study` with 12 positive and 4 negative texts to learn from: 8 steps, every other one validated."""
    rows = [{"text": text, "label": "positive"} for text in POSITIVE["train"]]
    rows += [{"text": text, "label": "negative"} for text in NEGATIVE["train"][:4]]
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "lopsided.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    training = {"batch_size": 4, "epochs": 2, "evaluate_every_steps": 2} | how.pop("training", {})
    return tiny_study(directory, data={"train": str(path)} | how.pop("data", {}), training=training, **how)


def with_strategies(spec: RunSpec, *strategies: Strategy) -> RunSpec:
    """The spec with other strategies; for replay its encoder, with the same weights, also has a masked-LM head."""
    replays = any(strategy["kind"] == "replay" and strategy["share"] for strategy in strategies)
    encoder_dir = str(with_masked_lm_head(Path(spec.encoder_dir))) if replays else spec.encoder_dir
    return RunSpec.model_validate({**spec.model_dump(), "strategies": strategies, "encoder_dir": encoder_dir})


def started(spec: RunSpec, run_dir: Path, device: torch.device = torch.device("cpu")) -> RunParts:  # noqa: B008
    """The parts of a run before its first step."""
    run_dir.mkdir(parents=True, exist_ok=True)
    return RunParts(spec, run_dir, device, ignore)


HEADS = {
    "classification": lopsided_study,
    "multi_label": partial(tiny_study, head="multi_label"),
    "regression": partial(tiny_study, head="regression"),
    "attention": partial(
        lopsided_study,
        head={"kind": "classification", "aggregate": "attention"},
        data={"max_length": 10, "long_texts": "windows", "doc_stride": 3},
    ),
    "token_classification": tiny_tagged_study,
    "crf": partial(tiny_tagged_study, head={"crf": True}),
    "question_answering": tiny_questions,
    "masked_lm": partial(tiny_study, head="masked_lm", data={"max_length": 20}, arms={"full": {}}),
}
"""Kind of the head, one with attention over windows, and one with a CRF → makes its study in a folder, with any family's encoder.
"""
