"""BitFit: biases and head learn, a pooler that was drawn learns whole, and an encoder without biases is refused."""

from __future__ import annotations

import pytest
from safetensors.torch import load_file, save_file

from bertft_core.config import UserError
from tests.helpers.every_strategy import lopsided_study, started, with_strategies
from tests.helpers.tiny_encoders import tiny_encoder
from tests.helpers.tiny_studies import tiny_spec

BITFIT = {"kind": "bitfit"}


def learning(spec, run_dir) -> set[str]:
    return {name for name in started(with_strategies(spec, BITFIT), run_dir).plan.learning if not name.endswith("bias")}


def test_no_weight_matrix_of_the_encoder_learns(tmp_path):
    spec = tiny_spec(*lopsided_study(tmp_path))
    assert learning(spec, tmp_path / "run") == {"classifier.weight"}


def test_a_pooler_that_the_checkpoint_lacks_learns_as_the_head_does(tmp_path):
    encoder = tiny_encoder(tmp_path / "own")
    weights = load_file(encoder / "model.safetensors")
    save_file({name: values for name, values in weights.items() if "pooler" not in name}, encoder / "model.safetensors")
    spec = tiny_spec(*lopsided_study(tmp_path, encoder={"path": str(encoder)}))
    assert learning(spec, tmp_path / "run") == {"classifier.weight", "bert.pooler.dense.weight"}


def test_layers_that_are_frozen_keep_their_biases(tmp_path):
    spec = with_strategies(tiny_spec(*lopsided_study(tmp_path)), BITFIT, {"kind": "freezing", "layers": 1})
    learns = set(started(spec, tmp_path / "run").plan.learning)
    assert not any(name.startswith("bert.encoder.layer.0.") for name in learns)
    assert "bert.encoder.layer.1.attention.self.query.bias" in learns


def test_an_encoder_without_biases_is_refused_before_any_training(tmp_path):
    encoder = tiny_encoder(tmp_path / "own", "modernbert", pad_token_id=0, global_attn_every_n_layers=1)
    with pytest.raises(UserError, match="bitfit has no bias to train") as shown:
        lopsided_study(tmp_path, encoder={"path": str(encoder)}, arms={"odd": {"strategies": [BITFIT]}})
    assert shown.value.problem.startswith("arms.odd.strategies: ")
    assert "feature_extraction" in shown.value.hint
