"""Word embeddings without unused rows: nothing but rounding tells a run apart from one with all of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from bertft_core.records.compute import Compute
from bertft_core.training.run import train_run
from bertft_core.training.used_rows import used_rows_of
from tests.helpers.every_strategy import SETTINGS, lopsided_study, started, with_strategies
from tests.helpers.interrupted_runs import losses_in
from tests.helpers.tiny_studies import tiny_spec, tiny_study

REFERENCE, FAST = Compute(path="reference", masks=2), Compute(path="fast", masks=2)
EMBEDDINGS = "bert.embeddings.word_embeddings.weight"
STRONG = {"learning_rate": 0.02, "weight_decay": 0.5, "epochs": 4}


def of(spec, compute):
    return spec.model_copy(update={"compute": compute})


@pytest.mark.parametrize("strategy", ["none", "prior_decay", "legacy_adam", "swa", "llrd", "gradual_unfreezing"])
def test_rows_that_no_text_has_decay_exactly_as_if_they_were_there(tmp_path, strategy):
    spec = tiny_spec(*lopsided_study(tmp_path, training=STRONG))
    spec = spec if strategy == "none" else with_strategies(spec, SETTINGS[strategy])
    records = {name: train_run(of(spec, each), run_dir=tmp_path / name) for name, each in (("all", REFERENCE), ("used", FAST))}
    whole, used = (load_file(tmp_path / name / "model" / "model.safetensors")[EMBEDDINGS] for name in ("all", "used"))
    assert whole.shape == used.shape
    start = load_file(f"{spec.encoder_dir}/model.safetensors")
    first = next(values for name, values in start.items() if name.endswith("word_embeddings.weight"))
    run = started(of(spec, FAST), tmp_path / "unstarted")
    unused = torch.ones(len(first), dtype=torch.bool)
    unused[run.rows._ids] = False
    assert unused.sum() >= 10
    torch.testing.assert_close(used[unused], whole[unused], atol=1e-6, rtol=1e-5)
    if strategy in ("none", "swa", "llrd"):
        assert float((used[unused] - first[unused]).abs().max()) > 1e-4, "they did decay"
    for name in ("n_parameters", "n_trainable_parameters", "n_steps"):
        assert getattr(records["used"], name) == getattr(records["all"], name)


def test_the_hash_of_the_final_weights_is_of_all_rows(tmp_path):
    spec = of(tiny_spec(*tiny_study(tmp_path)), FAST)
    record = train_run(spec, run_dir=tmp_path / "run")
    run = started(spec, tmp_path / "other")
    shapes = dict(run.rows.whole(run.plan.model.named_parameters()))
    assert shapes[EMBEDDINGS].shape[0] > run.plan.model.base_model.embeddings.word_embeddings.weight.shape[0] - 1
    assert record.weights_sha256


def test_runs_that_may_read_or_write_other_words_keep_all_rows(tmp_path):
    plain = of(tiny_spec(*lopsided_study(tmp_path / "plain")), FAST)
    assert started(plain, tmp_path / "run").rows is not None
    assert started(with_strategies(plain, SETTINGS["replay"]), tmp_path / "replay").rows is None
    assert started(with_strategies(plain, SETTINGS["feature_extraction"]), tmp_path / "frozen").rows is None
    assert started(of(plain, REFERENCE), tmp_path / "reference").rows is None
    masked = tiny_spec(*tiny_study(tmp_path / "masked", head="masked_lm", data={"max_length": 20}, arms={"full": {}}))
    assert used_rows_of(of(masked, FAST), None, []) is None


def test_a_word_that_no_split_has_is_refused_instead_of_read_wrongly(tmp_path):
    run = started(of(tiny_spec(*tiny_study(tmp_path)), FAST), tmp_path / "run")
    embedding = run.plan.model.base_model.embeddings.word_embeddings
    unused = int((run.rows._places < 0).nonzero()[0])
    with pytest.raises((IndexError, RuntimeError)):
        embedding(torch.tensor([[unused]]))


def test_states_of_a_frozen_encoder_are_stored_for_the_whole_of_a_split_that_a_run_has_a_part_of(tmp_path):
    arms = {"features": {"strategies": [SETTINGS["feature_extraction"]], "train_examples": 4}}
    spec = tiny_spec(*tiny_study(tmp_path, arms=arms), arm="features")
    assert spec.train_examples == 4
    for name, each in (("all", REFERENCE), ("used", FAST)):
        train_run(of(spec, each), run_dir=tmp_path / name)
    np.testing.assert_allclose(losses_in(tmp_path / "used"), losses_in(tmp_path / "all"), atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_the_row_of_padding_never_learns_also_where_a_text_has_it(tmp_path, kind):
    spec = tiny_spec(*tiny_study(tmp_path, kind=kind))
    for name, compute in (("all", REFERENCE), ("used", FAST)):
        model = started(of(spec, compute), tmp_path / name).plan.model
        embedding, other = model.get_input_embeddings(), 5
        padding = embedding.padding_idx
        assert padding is not None
        embedding(torch.tensor([[padding, other]])).sum().backward()
        (learning,) = embedding.weight.grad.abs().sum(dim=1).nonzero().tolist()
        assert torch.equal(embedding.weight[learning[0]], embedding(torch.tensor(other))), name
