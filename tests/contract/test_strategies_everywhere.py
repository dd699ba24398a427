"""Every strategy with every head and every family of encoders: it works, or it is refused with a reason."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from bertft_core.config import UserError
from bertft_core.config.encoder_families import FAMILIES as KNOWN
from bertft_core.config.encoder_families import SHARED_LAYERS, WITH_ADAPTERS
from bertft_core.config.head_settings import HEAD_CONFIGS
from bertft_core.config.strategy_combinations import objection
from bertft_core.data.prepared_split import open_split
from bertft_core.metrics.prediction_columns import matrix
from bertft_core.records import RunSpec
from bertft_core.storage.predictions import read_predictions
from bertft_core.strategies import STRATEGIES
from bertft_core.training.run import train_run
from tests.helpers.batches import collate
from tests.helpers.every_strategy import HEADS, SETTINGS, lopsided_study, started, with_strategies
from tests.helpers.tiny_encoders import EVERY_KIND as FAMILIES
from tests.helpers.tiny_encoders import KINDS, NEWER_KINDS
from tests.helpers.tiny_studies import tiny_spec

LAST_NORMS = {"modernbert": "final_norm.", "eurobert": "norm."}
"""Behind the top layer, so that they count with the head."""


@pytest.fixture(scope="module")
def specs(tmp_path_factory):
    """Head, or family with a classification head → the spec of a run of two steps."""

    @cache
    def spec_of(name: str) -> RunSpec:
        directory = tmp_path_factory.mktemp(name)
        study, card = HEADS[name](directory) if name in HEADS else lopsided_study(directory, kind=name)
        return tiny_spec(study, card, epochs=None, max_steps=2, evaluate_every_steps=1, evaluate_every_epochs=None)

    return spec_of


def refused(spec: RunSpec, kind: str) -> tuple[str, str] | None:
    return objection(with_strategies(spec, SETTINGS[kind]).strategies, spec.head)


def test_every_kind_of_head_is_tried():
    assert HEADS.keys() - {"attention", "crf"} == HEAD_CONFIGS.keys()


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("kind", STRATEGIES)
def test_every_strategy_trains_every_head_or_is_refused(specs, tmp_path, head, kind):
    spec = specs(head)
    if refused(spec, kind):
        assert refused(spec, kind)[0] == kind
        return
    run = started(with_strategies(spec, SETTINGS[kind]), tmp_path)
    assert run.train() in (("completed", None), ("stopped_early", None))
    assert all(torch.isfinite(values).all() for values in run.plan.model.parameters())


@pytest.mark.parametrize("kind", STRATEGIES)
def test_attention_over_windows_learns_with_the_head_from_the_first_step_at_the_full_rate(specs, tmp_path, kind):
    plan = started(with_strategies(specs("attention"), SETTINGS[kind]), tmp_path).plan
    names = {name for name in plan.learning if name.startswith("window_attention.")}
    assert names == {f"window_attention.{name}" for name in ("hidden.weight", "hidden.bias", "context.weight")}
    assert {plan.lr_multipliers.get(name, 1.0) for name in names} == {1.0}
    assert names.isdisjoint(plan.unfreeze_step)
    assert names - plan.context.weight_decayed == {"window_attention.hidden.bias"}


@pytest.mark.parametrize("head", HEADS)
def test_most_strategies_suit_every_head(specs, head):
    assert sum(refused(specs(head), kind) is None for kind in STRATEGIES) >= 11


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", STRATEGIES)
def test_every_strategy_trains_every_family(specs, tmp_path, family, kind):
    if kind in ("lora", "replay") and family not in WITH_ADAPTERS:
        pytest.skip("refused before anything trains")
    run = started(with_strategies(specs(family), SETTINGS[kind]), tmp_path)
    assert run.train() in (("completed", None), ("stopped_early", None))
    assert run.loop.position.evaluations[-1].loss > 0


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_opens_plainly_after_the_strategies_that_touch_its_layers(specs, tmp_path, family):
    """With the logits that the run has stored of it."""
    touching = [SETTINGS[kind] for kind in ("reinit", "llrd", "gradual_unfreezing", "mixout", "prior_decay", "swa")]
    spec = with_strategies(specs(family), *touching)
    record = train_run(spec, run_dir=tmp_path)
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model").eval()
    split = open_split(spec.prepared_dir, "test")
    stored = matrix(read_predictions(tmp_path / record.predictions["best"]["test"]), "logits", 2)
    batch = collate(split, np.arange(split.n), model.config.pad_token_id)
    batch.pop("labels")
    with torch.no_grad():
        assert np.allclose(model(**batch).logits.numpy(), stored, atol=1e-5)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_parameter_has_a_place_in_the_architecture(tmp_path, family, head):
    if head == "question_answering" and family in ("eurobert", "nomic_bert"):
        pytest.skip("transformers has no such class")
    plan = started(tiny_spec(*HEADS[head](tmp_path, kind=family)), tmp_path / "run").plan
    architecture = plan.architecture
    depths = architecture.depths()
    n_layers = 1 if family == SHARED_LAYERS else 2
    assert architecture.n_layers == n_layers
    assert depths.keys() == {name for name, _ in plan.model.named_parameters()}
    assert set(depths.values()) == {*range(n_layers + 2)}
    in_layers = {name for name, depth in depths.items() if 1 <= depth <= n_layers}
    assert in_layers == {name for name in depths if re.search(r"\.(layers?|albert_layer_groups)\.\d", name)}
    prefix = plan.model.base_model_prefix + "."
    in_encoder = {name for name, depth in depths.items() if depth > n_layers and name.startswith(prefix)}
    top = (prefix + "pooler.", prefix + LAST_NORMS.get(family, "pooler."))
    assert all(name.startswith(top) for name in in_encoder), "every other part of the encoder is known"
    assert len(architecture.depth_names()) == n_layers + 2


def test_every_family_of_the_tests_is_in_the_table():
    assert {*KINDS, *NEWER_KINDS} | {"xlm-roberta", "camembert"} == KNOWN.keys()


def test_an_unknown_family_is_refused_by_what_looks_at_layers(specs, tmp_path):
    run = started(specs("classification"), tmp_path)
    run.plan.model.config.model_type = "gpt9"
    with pytest.raises(UserError, match="are unknown") as shown:
        STRATEGIES["llrd"].apply(run.plan, with_strategies(specs("classification"), SETTINGS["llrd"]).strategies[0])
    assert shown.value.found == "gpt9"
    assert not run.plan.architecture.is_known
    assert "bert, roberta" in shown.value.expected
