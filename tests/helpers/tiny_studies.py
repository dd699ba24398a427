"""A whole study in a folder, with real files and a tiny random encoder: what tests of training and flows start from.

A run of it takes a fraction of a second. The golden trajectory starts from it too: other texts need a new recording.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bertft_core.config import StudyConfig, parse_study
from bertft_core.data.prepare_study_data import prepare_data
from bertft_core.planning.run_specs import plan_runs
from bertft_core.records import DatasetCard, RunSpec
from tests.helpers.tiny_encoders import tiny_encoder

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


def long_study(directory: Path, **how: Any) -> tuple[StudyConfig, DatasetCard]:
    """The tiny study with texts read in windows of 10 subwords that share 3: one to three windows each."""
    windows = {"max_length": 10, "long_texts": "windows", "doc_stride": 3}
    return tiny_study(directory, **how | {"data": windows | how.get("data", {})})


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


THINGS, FEELINGS = {"film", "food", "soup", "cast", "end"}, {"great", "lovely", "good", "bad", "awful", "boring"}
BEFORE_THINGS, BEFORE_FEELINGS = {"the", "a", "an"}, {"not", "never"}


def tagged(text: str) -> tuple[list[str], list[str]]:
    """Words and tags in IOB2: things with their article, feelings with their negation."""
    words = text.replace(",", " ,").split()
    tags = ["O"] * len(words)
    for kind, names, openers in (("THING", THINGS, BEFORE_THINGS), ("FEEL", FEELINGS, BEFORE_FEELINGS)):
        for i, word in enumerate(words):
            if word in names:
                opened = i > 0 and words[i - 1] in openers
                tags[i] = f"I-{kind}" if opened else f"B-{kind}"
                if opened:
                    tags[i - 1] = f"B-{kind}"
    return words, tags


def tiny_tagged_study(directory: Path, **overrides: Any) -> tuple[StudyConfig, DatasetCard]:
    """`tiny_study` for token classification: the same texts in words, as CoNLL files; `head` and `data` are merged too."""
    folder = directory / "words"
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for split, positive in POSITIVE.items():
        path = folder / f"{split}.conll"
        rows = [tagged(text) for pair in zip(positive, NEGATIVE[split], strict=True) for text in pair]
        lines = ["".join(f"{word} {tag}\n" for word, tag in zip(*row, strict=True)) for row in rows]
        path.write_text("\n".join(lines), encoding="utf-8")
        paths[split] = str(path)
    head = {"kind": "token_classification"} | overrides.pop("head", {})
    return tiny_study(directory, head=head, **overrides | {"data": paths | overrides.get("data", {})})


def tiny_spec(study: StudyConfig, card: DatasetCard, arm: str = "full", index: int = 0, **training: Any) -> RunSpec:
    """The planned run of one arm and seed index, with some training settings changed."""
    spec = next(spec for spec in plan_runs(study, card, {}) if (spec.arm, spec.index) == (arm, index))
    return with_training(spec, **training)


def with_training(spec: RunSpec, **training: Any) -> RunSpec:
    """The spec with other training settings; its digest follows."""
    values: Mapping[str, Any] = spec.model_dump(mode="json")
    return RunSpec.model_validate({**values, "training": {**values["training"], **training}})


ADJECTIVES = ("good", "bad", "great", "awful", "boring", "lovely")
LONG = " but it was not bad and it was never good and it was not awful but it was never great"


def tiny_questions(
    directory: Path, *, kind: str = "bert", unanswerable: bool = True, long: bool = True, **overrides: Any
) -> tuple[StudyConfig, DatasetCard]:
    """As `tiny_study`, with questions: 24 to learn from, 12 to validate, 12 to test.

    With `unanswerable` a third of them have no answer. With `long` every other context is read in several windows; without,
    all questions and contexts have as many subwords as the others.
    """
    files = write_questions(directory / "questions", unanswerable, long)
    data = {"max_length": 24, "doc_stride": 5, "max_question_length": 8} | files | overrides.pop("data", {})
    return tiny_study(directory, kind=kind, head=overrides.pop("head", "question_answering"), data=data, **overrides)


def write_questions(directory: Path, unanswerable: bool, long: bool) -> dict[str, str]:
    """Write `<split>.jsonl`, three questions to a context; the split's name → its path."""
    directory.mkdir(parents=True, exist_ok=True)
    paths, n = {}, 0
    for split, n_contexts in {"train": 8, "validation": 4, "test": 4}.items():
        rows = []
        for i in range(n_contexts):
            film, food = ADJECTIVES[n % 6], ADJECTIVES[(n + 1 + n // 6) % 6]
            context = f"the film was {film} and the food was {food}"
            if long and i % 2:
                context = f"the film was {film}{LONG} and the food was {food}"
            rows += [{"question": "the film was", "context": context, "answers": _answer(context, film, len("the film was "))}]
            rows += [{"question": "the food was", "context": context, "answers": _answer(context, food, context.rindex(food))}]
            rows += [{"question": "and it was", "context": context, "answers": [] if unanswerable else rows[-1]["answers"]}]
            n += 1
        path = directory / f"{split}.jsonl"
        path.write_text("".join(json.dumps({"id": f"{split}-{i}", **row}) + "\n" for i, row in enumerate(rows)), encoding="utf-8")
        paths[split] = str(path)
    return paths


def _answer(context: str, text: str, start: int) -> list[dict[str, Any]]:
    assert context.startswith(text, start)
    return [{"text": text, "answer_start": start}]
