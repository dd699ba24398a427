"""The oracle of LoRA: what peft makes of the same runs, kept in `tests/assets/lora_peft.json`.

It is made by `python -m tests.helpers.peft_oracle` in an environment of the lock file with `pip install --no-deps peft==0.21.2`.
That also opens an adapter of ours with peft, and fails unless it gives the logits of the merged model that we saved.
"""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
import transformers
from safetensors.torch import load_file

from bertft_core.data.prepared_split import PreparedSplit, open_split
from bertft_core.records import RunSpec
from bertft_core.training.run import train_run
from tests.helpers.every_strategy import started, with_strategies
from tests.helpers.tiny_studies import tiny_spec, tiny_study
from tests.helpers.trainer_parity import PARITY, batch_of, labels_for_transformers, trainer_steps

ORACLE = Path(__file__).parents[1] / "assets" / "lora_peft.json"
CASES = [("bert", "query_value"), ("bert", "all_linear"), ("distilbert", "attention"), ("deberta-v2", "query_value")]
LORA = {"kind": "lora", "rank": 3, "alpha": 6.0}


def spec_of(directory: Path, family: str, targets: str) -> RunSpec:
    """A run of 20 steps with adapters."""
    spec = tiny_spec(*tiny_study(directory, kind=family), **PARITY)
    return with_strategies(spec, LORA | {"targets": targets})


def batch(split: PreparedSplit, indices: np.ndarray, step: int) -> dict[str, Any]:
    """As a plain classifier takes it."""
    return batch_of(split, indices) | {"labels": labels_for_transformers("classification", split, indices)}


def peft_steps(spec: RunSpec, directory: Path) -> list[dict[str, float]]:
    """Loss and gradient norm of every step by transformers' Trainer and peft, from the same start as ours."""
    from peft import LoraConfig, inject_adapter_in_model

    ours = dict(started(spec, directory / "start").plan.model.named_parameters())
    names = [name.removesuffix(".lora_A") for name in ours if name.endswith(".lora_A")]

    def start(model: Any, split: PreparedSplit) -> None:
        head = [name for name, _ in model.named_parameters() if not name.startswith(model.base_model_prefix + ".")]
        config = LoraConfig(r=LORA["rank"], lora_alpha=LORA["alpha"], target_modules=names, init_lora_weights="gaussian")
        inject_adapter_in_model(config, model)
        for name, parameter in model.named_parameters():
            if ".lora_A." in name:
                parameter.data.copy_(ours[name.replace(".lora_A.default.weight", ".lora_A")].data)
            parameter.requires_grad_(".lora_" in name or name in head)

    return trainer_steps(spec, directory / "peft", batch, start=start)


def opened_by_peft(spec: RunSpec, directory: Path) -> tuple[dict[str, list[int]], float]:
    """Name → shape of the weights in an adapter of ours as peft saves them again, and how far its logits are from ours."""
    from peft import PeftModel

    train_run(spec, run_dir=directory)
    torch.manual_seed(0)  # the head that peft then replaces
    auto_class = transformers.AutoModelForSequenceClassification
    model = PeftModel.from_pretrained(auto_class.from_pretrained(spec.encoder_dir), directory / "model" / "adapter").eval()
    plain = auto_class.from_pretrained(directory / "model").eval()
    split = open_split(spec.prepared_dir, "test")
    inputs = batch_of(split, np.arange(split.n))
    with torch.no_grad():
        apart = float((model(**inputs).logits - plain(**inputs).logits).abs().max())
    model.save_pretrained(directory / "again")
    saved = load_file(directory / "again" / "adapter_model.safetensors")
    return {name: list(values.shape) for name, values in sorted(saved.items())}, apart


def main() -> None:
    """Write the oracle."""
    found: dict[str, Any] = {"made_with": {name: metadata.version(name) for name in ("peft", "torch", "transformers")}}
    for family, targets in CASES:
        with TemporaryDirectory() as folder:
            spec = spec_of(Path(folder), family, targets)
            steps = peft_steps(spec, Path(folder))
            weights, apart = opened_by_peft(spec, Path(folder) / "ours")
        assert apart < 1e-5, (family, targets, apart)
        columns = {name: [step[name] for step in steps] for name in ("loss", "grad_norm")}
        found[f"{family}/{targets}"] = columns | {"weights": weights}
    ORACLE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
