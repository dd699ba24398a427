"""A study of three tiny encoders with tokenizers of their own, with a CRF and without, at two lengths: twelve arms on one set."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, NamedTuple

from bertft_core.data.bundled import bundled_files
from tests.helpers.tiny_encoders import tiny_encoder
from tests.helpers.trained_tokenizers import byte_level, unigram, wordpiece

TOKENIZERS = {"bert": wordpiece, "roberta": byte_level, "deberta-v2": unigram}
HIDDEN = {"bert": 16, "roberta": 24, "deberta-v2": 16}
"""Sizes, so that one of the encoders has other costs."""
LENGTHS = (12, 40)
"""Tokens of an input: most sentences are read in several windows of the shorter, and few of the longer."""
TRAINING = {"learning_rate": 0.003, "batch_size": 8, "max_steps": 3, "evaluate_every_steps": 3}
"""Few steps: a head that is hardly trained finds some entity by chance, one that learned for a minute says O everywhere."""
SUBSAMPLE = {"train": 48, "validation": 24, "test": 24}


class ComparedArm(NamedTuple):
    """What one of the arms is."""

    kind: str
    crf: bool
    max_length: int

    @property
    def name(self) -> str:
        return f"{self.kind}{'-crf' if self.crf else ''}-{self.max_length}"


ARMS = {arm.name: arm for arm in itertools.starmap(ComparedArm, itertools.product(TOKENIZERS, (False, True), LENGTHS))}


def compared_encoders(directory: Path) -> dict[str, Any]:
    """The study's settings, after its encoders are written to a folder; the first arm is the study itself."""
    corpus = [line.split()[0] for line in bundled_files("entities")["train"].read_text(encoding="utf-8").splitlines() if line]
    paths = {
        kind: str(
            tiny_encoder(
                directory / kind,
                kind,
                seed=7,
                initializer_range=0.4,
                hidden_size=HIDDEN[kind],
                tokenizer=make(corpus, vocab_size=400),
            )
        )
        for kind, make in TOKENIZERS.items()
    }
    first = next(iter(ARMS.values()))
    return {
        "name": "encoders",
        "description": "Which of three encoders finds more entities, with a CRF or without, reading far or not?",
        "encoder": {"path": paths[first.kind]},
        "data": {"source": "bundled", "name": "entities", "max_length": first.max_length, "subsample": SUBSAMPLE},
        "head": "token_classification",
        "metric": "f1",
        "training": TRAINING,
        "arms": {name: _changes(arm, first, paths) for name, arm in ARMS.items()},
        "seeds": {"n": 3},
        "tracking": {"log_models": False},
        "retention": {"checkpoints": "none"},
        "execution": {"device": "cpu", "slots": 1},
    }


def _changes(arm: ComparedArm, first: ComparedArm, paths: dict[str, str]) -> dict[str, Any]:
    """What an arm changes of the study, which is as the first arm."""
    changes: dict[str, Any] = {}
    if arm.kind != first.kind:
        changes["encoder"] = {"path": paths[arm.kind]}
    if arm.crf != first.crf:
        changes["head"] = {"crf": arm.crf}
    if arm.max_length != first.max_length:
        changes["data"] = {"max_length": arm.max_length}
    return changes
