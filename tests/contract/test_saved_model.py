"""A saved model opens with everything its head has, and gives the logits that scoring saw."""

from __future__ import annotations

import os
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from bertft_core.config import UserError
from bertft_core.data.prepared_split import open_split
from bertft_core.heads.saved_model import load_model
from bertft_core.metrics.prediction_columns import matrix
from bertft_core.storage.damage import HEAD_FILE
from bertft_core.storage.predictions import read_predictions
from bertft_core.training.run import train_run
from tests.helpers.batches import has_token_types
from tests.helpers.tiny_encoders import KINDS, tiny_encoder
from tests.helpers.tiny_studies import tiny_spec, tiny_study


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pooling", ["pooler", "cls", "mean"])
def test_a_saved_classifier_gives_the_logits_of_its_predictions(tmp_path, kind, pooling):
    study, card = tiny_study(tmp_path, kind=kind, pairs=True, head={"kind": "classification", "pooling": pooling})
    record = train_run(tiny_spec(study, card, epochs=None, max_steps=2), run_dir=tmp_path / "run")
    scored = matrix(read_predictions(tmp_path / "run" / record.predictions["best"]["test"]), "logits", 2)
    split = open_split(card.directory, "test")
    texts = list(zip(*(split.texts(i) for i in range(split.n)), strict=True))
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "run" / "model")
    batch = tokenizer(*map(list, texts), padding=True, return_tensors="pt")
    if not has_token_types(split):
        batch.pop("token_type_ids")
    opened = load_model(tmp_path / "run" / "model")
    model, head = opened
    assert head == study.head
    np.testing.assert_allclose(opened(batch).numpy(), scored, atol=1e-5)
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "run" / "model").eval()
    with torch.no_grad():
        logits = plain(**batch).logits
        assert torch.equal(logits, model(**batch).logits)
    assert np.allclose(logits.numpy(), scored, atol=1e-5) == (pooling == "pooler"), (
        "plain transformers knows its own pooling only"
    )


def test_a_folder_without_or_with_a_broken_head_is_refused(tmp_path):
    with pytest.raises(UserError, match="not a model saved by bertft"):
        load_model(tmp_path)
    (tmp_path / HEAD_FILE).write_text('{"kind": "classification", "pooling": "maximum"}')
    with pytest.raises(UserError, match="cannot be read") as caught:
        load_model(tmp_path)
    assert caught.value.path == str(tmp_path / HEAD_FILE)


class Malice:
    """A pickle that makes a folder when it is loaded."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors"])
def test_pickled_weights_in_the_place_of_a_kept_model_are_refused(tmp_path, name):
    tiny_encoder(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / HEAD_FILE).write_text('{"kind": "classification"}')
    (tmp_path / name).write_bytes(pickle.dumps(Malice(str(tmp_path / "executed"))))
    with pytest.raises(Exception, match=r"safetensors|header"):
        load_model(tmp_path)
    assert not (tmp_path / "executed").exists()
