"""A whole study in a folder, with real files and a tiny random encoder: what tests of training and flows start from.

A run of it takes a fraction of a second. The golden trajectory starts from it too: other texts need a new recording.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bertft_core.config import StudyConfig, parse_study
from bertft_core.data.prepare import prepare_data
from bertft_core.records import DatasetCard, RunSpec
from bertft_core.training.planning import plan_runs
from tests.encoders import tiny_encoder

POSITIVE = {
    "train": (
        "the film was great",
        "a lovely film and a good cast",
        "good food",
        "it was never boring, not for a minute",
        "great great great",
        "the soup was lovely but small",
        "not bad, and the end was great",
        "i liked it",
        "lovely and good and short",
        "the food was good and it was hot",
        "great film, great food",
        "it was good",
    ),
    "validation": ("the end was lovely", "good and great", "a great cast, and it was never awful", "not boring", "good hot soup"),
    "test": ("lovely soup, 7 of 7", "the cast was great and the film was good", "never bad", "a good end"),
}
NEGATIVE = {
    "train": (
        "the film was awful",
        "a boring film and a bad cast",
        "bad food",
        "it was never good, not for a minute",
        "awful awful awful",
        "the soup was awful but cheap",
        "not good, and the end was bad",
        "i left",
        "boring and bad and long",
        "the food was bad and it was cold",
        "awful film, awful food",
        "it was bad",
    ),
    "validation": ("the end was boring", "bad and awful", "an awful cast, and it was never great", "not lovely", "bad cold soup"),
    "test": ("boring soup, 3 of 7", "the cast was awful and the film was bad", "never good", "a bad end"),
}
TRAINING = {"learning_rate": 0.01, "batch_size": 5, "epochs": 3}
"""24 training examples: 5 steps per epoch, the last one with 4 examples, so 15 steps."""


def tiny_study(directory: Path, *, kind: str = "bert", pairs: bool = False, **overrides: Any) -> tuple[StudyConfig, DatasetCard]:
    """Write texts and an encoder of `kind` to `directory`, prepare them in `directory/home`, and give study and card.

    `training` and `data` are merged over the values here; every other override replaces its top-level key.
    `pairs` makes each example two texts; the labels are such as the `head` learns.
    """
    files = write_texts(directory / "texts", pairs, LABELS.get(head_kind(overrides), verdict))
    encoder_dir = tiny_encoder(directory / "encoder", kind, seed=7, initializer_range=0.4)  # wide, or nothing would be learnt
    data = {"source": "files", "max_length": 48, "text": ["text", "other"] if pairs else "text"} | files
    values: dict[str, Any] = {
        "name": "tiny",
        "description": "A study made for tests.",
        "encoder": {"path": str(encoder_dir)},
        "arms": {"features": {"strategies": [{"kind": "feature_extraction"}]}, "full": {}},
        "seeds": {"n": 3},
        "execution": {"device": "cpu", "slots": 1},
    }
    values |= overrides | {"data": data | overrides.get("data", {}), "training": TRAINING | overrides.get("training", {})}
    study = parse_study(values)
    return study, prepare_data(study, home_dir=directory / "home")


def verdict(text: str, good: bool) -> str:
    return "positive" if good else "negative"


def subjects(text: str, good: bool) -> list[str]:
    """Three labels, each on for some texts; no label for some, all three for others."""
    on = {"positive": good, "film": "film" in text or "cast" in text, "food": "food" in text or "soup" in text}
    return [label for label, is_on in on.items() if is_on]


def stars(text: str, good: bool) -> float:
    """1 to 4.75: the verdict, and a little of the text's length."""
    return (4 if good else 1) + len(text.split()) % 4 / 4


LABELS: dict[str, Callable[[str, bool], Any]] = {"multi_label": subjects, "regression": stars}
"""Kind of the head → what is to be learned of a text; its verdict for all others."""


def head_kind(overrides: Mapping[str, Any]) -> str:
    head = overrides.get("head", "classification")
    return head if isinstance(head, str) else head["kind"]


def write_texts(directory: Path, pairs: bool = False, label_of: Callable[[str, bool], Any] = verdict) -> dict[str, str]:
    """Write `<split>.jsonl` with good and bad texts in turn; the split's name → its path."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = {}
    for split, positive in POSITIVE.items():
        rows = []
        for good, bad in zip(positive, NEGATIVE[split], strict=True):
            rows += [{"text": good, "label": label_of(good, True)}, {"text": bad, "label": label_of(bad, False)}]
        if pairs:
            rows = [row | {"other": f"was it {row['text'].split()[-1]}"} for row in rows]
        path = directory / f"{split}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        paths[split] = str(path)
    return paths


def tiny_spec(study: StudyConfig, card: DatasetCard, arm: str = "full", index: int = 0, **training: Any) -> RunSpec:
    """The planned run of one arm and seed index, with some training settings changed."""
    spec = next(spec for spec in plan_runs(study, card, {}) if (spec.arm, spec.index) == (arm, index))
    return with_training(spec, **training)


def with_training(spec: RunSpec, **training: Any) -> RunSpec:
    """The spec with other training settings; its digest follows."""
    values: Mapping[str, Any] = spec.model_dump(mode="json")
    return RunSpec.model_validate({**values, "training": {**values["training"], **training}})
