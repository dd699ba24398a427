"""Replay: which texts a step reads, under which head, what a digest knows of them, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bertft_core.config import StudyConfig, UserError, load_study
from bertft_core.data.prepare_study_data import prepare_data
from bertft_core.data.replayed_texts import texts_dir
from bertft_core.planning.run_specs import plan_runs
from bertft_core.records import DatasetCard, RunSpec
from bertft_core.training.replayed_steps import HEAD
from bertft_core.training.retraining import isolated, missing_input
from bertft_core.training.run import train_run
from bertft_core.training.trial_step import prepare_and_try
from flows.cli.replay_command import rebuilt_spec
from tests.helpers.every_strategy import lopsided_study, started, with_strategies
from tests.helpers.interrupted_runs import step_events
from tests.helpers.tiny_encoders import tiny_encoder
from tests.helpers.tiny_studies import tiny_spec, tiny_study, with_training

REPLAY = {"kind": "replay", "share": 0.5}
TEXT = "the film was great\nand lovely\n\nthe food was bad\n\nit was awful but not boring\n"


@pytest.fixture(scope="module")
def spec(tmp_path_factory) -> RunSpec:
    return tiny_spec(*lopsided_study(tmp_path_factory.mktemp("study")), dropout=0.0)


def with_seeds(spec: RunSpec, **seeds: int) -> RunSpec:
    return spec.model_copy(update={"seeds": spec.seeds.model_copy(update=seeds)})


def read_by(spec: RunSpec, run_dir: Path, step: int = 5) -> tuple[list[int], list[np.ndarray]]:
    """Texts of a step, and what is shown of each."""
    replayed = started(with_strategies(spec, REPLAY), run_dir).loop._replayed
    shown: list[np.ndarray] = []
    keep = replayed._runner.states
    replayed._runner.states = lambda inputs: (shown.append(inputs.input_ids), keep(inputs))[1]
    replayed.backward(step, lambda loss: loss)
    return list(replayed.indices(step)), shown


def test_texts_follow_the_order_stream_and_masks_the_dropout_stream(spec, tmp_path):
    texts, shown = read_by(spec, tmp_path / "a")
    for name, seeds in {"init": {"init": 1}, "order": {"order": 1}, "dropout": {"dropout": 1}}.items():
        others, otherwise = read_by(with_seeds(spec, **seeds), tmp_path / name)
        assert (others == texts) == (name != "order")
        same = all(np.array_equal(one, other) for one, other in zip(shown, otherwise, strict=True))
        assert same == (name == "init")


def test_every_text_comes_once_in_a_pass_over_them(spec, tmp_path):
    replayed = started(with_strategies(spec, REPLAY), tmp_path).loop._replayed
    seen = np.concatenate([replayed.indices(step) for step in range(16)])
    assert len(seen) == 2 * 16
    assert sorted(seen[:16]) == sorted(seen[16:]) == list(range(16))
    assert list(seen[:16]) != list(seen[16:])


def test_the_tasks_first_step_is_that_of_a_run_without_replay(spec, tmp_path):
    with_dropout = with_training(spec, dropout=0.3)
    for name, strategies in {"plain": (), "replayed": (REPLAY,)}.items():
        train_run(with_strategies(with_dropout, *strategies), run_dir=tmp_path / name)
    plain, replayed = step_events(tmp_path / "plain"), step_events(tmp_path / "replayed")
    assert plain[0]["loss"] == replayed[0]["loss"]
    assert plain[0]["grad_norm"] != replayed[0]["grad_norm"]
    assert all(step["replay_loss"] > 0 for step in replayed)
    assert not any("replay_loss" in step for step in plain)


def test_the_gradient_is_that_of_the_two_losses_and_does_not_depend_on_microbatches(spec, tmp_path):
    def gradients(name: str, micro: int | None, **changes: float) -> dict[str, torch.Tensor]:
        own = with_strategies(with_training(spec, micro_batch_size=micro), REPLAY | changes)
        run = started(own, tmp_path / name)
        run.plan.model.double()
        run.loop._replayed._head.double()
        run.loop._replayed.backward(3, lambda loss: loss)
        return {each: p.grad for each, p in run.plan.model.named_parameters() if p.grad is not None}

    whole, parts, half = gradients("whole", None), gradients("parts", 1), gradients("half", None, weight=0.5)
    assert whole.keys() == parts.keys()
    assert "bert.encoder.layer.0.attention.self.query.weight" in whole
    assert not any(name.startswith("classifier") for name in whole)
    assert all(torch.allclose(values, parts[name], atol=1e-10) for name, values in whole.items())
    assert all(torch.allclose(values, 2 * half[name], atol=1e-10) for name, values in whole.items())


def test_the_head_is_a_constant_and_no_part_of_the_model(spec, tmp_path):
    run = started(with_strategies(spec, REPLAY), tmp_path)
    head = run.loop._replayed._head
    before = {name: values.clone() for name, values in head.state_dict().items()}
    run.train()
    assert all(torch.equal(values, before[name]) for name, values in head.state_dict().items())
    assert not any(".layer." in name for name in before), "its own layers are not kept"
    plain = started(with_strategies(spec), tmp_path / "plain")
    assert dict(run.plan.model.named_parameters()).keys() == dict(plain.plan.model.named_parameters()).keys()


@pytest.mark.slow
def test_replay_learns_to_predict_masked_tokens(tmp_path):
    spec = tiny_spec(*tiny_study(tmp_path), epochs=60, learning_rate=5e-3)
    train_run(with_strategies(spec, REPLAY | {"share": 1.0}), run_dir=tmp_path / "run")
    losses = [step["replay_loss"] for step in step_events(tmp_path / "run")]
    assert np.mean(losses[-30:]) < np.mean(losses[:30]) - 0.3


def study_with_file(tmp_path: Path, content: str = TEXT, name: str = "raw.txt") -> tuple[StudyConfig, DatasetCard]:
    """A study that replays a file."""
    (tmp_path / name).write_text(content)
    encoder = tiny_encoder(tmp_path / "own", masked_lm_head=True)
    arms = {"replayed": {"strategies": [REPLAY | {"text": str(tmp_path / name)}]}}
    return tiny_study(tmp_path, encoder={"path": str(encoder)}, arms=arms)


def replayed_file(tmp_path: Path, *texts: str, **how: str) -> RunSpec:
    """Its run."""
    return tiny_spec(*study_with_file(tmp_path, *texts, **how), "replayed")


def test_a_digest_knows_the_texts_of_a_file_and_not_its_path(tmp_path):
    first, moved = replayed_file(tmp_path), replayed_file(tmp_path, name="moved.txt")
    assert first.strategies != moved.strategies
    assert (first.digest, first.setting_digest) == (moved.digest, moved.setting_digest)
    changed = replayed_file(tmp_path, TEXT.replace("bad", "good"))
    assert changed.digest != first.digest
    own = with_strategies(first, REPLAY).model_copy(update={"replayed_sha256": None})
    assert own.digest not in (first.digest, changed.digest)


def test_a_run_reads_the_paragraphs_of_its_file_also_when_it_is_trained_again_elsewhere(tmp_path):
    spec = replayed_file(tmp_path)
    replayed = started(spec, tmp_path / "run").loop._replayed
    assert replayed._texts.table["text"].to_pylist() == TEXT.strip().split("\n\n")
    record = train_run(spec, run_dir=tmp_path / "first")
    (tmp_path / "raw.txt").unlink()
    assert missing_input(spec) is None
    again = train_run(isolated(spec, tmp_path / "links"), run_dir=tmp_path / "again")
    assert again.weights_sha256 == record.weights_sha256
    shutil.rmtree(texts_dir(spec.prepared_dir, spec.replayed_sha256))
    assert "replayed texts" in missing_input(spec)


def test_a_run_from_mlflow_is_not_replayed_on_other_texts(tmp_path):
    study, card = study_with_file(tmp_path)
    spec = tiny_spec(study, card, "replayed")
    logged = SimpleNamespace(record=SimpleNamespace(spec=spec, computed_with=spec.compute), study=study, card=None)
    assert rebuilt_spec(logged, tmp_path / "again", tmp_path / "home").digest == spec.digest
    (tmp_path / "raw.txt").write_text(TEXT + "\nmore\n")
    with pytest.raises(UserError, match="the data have changed") as shown:
        rebuilt_spec(logged, tmp_path / "other", tmp_path / "home")
    assert "the strategy replay" in shown.value.found


def test_the_path_of_a_file_is_relative_to_the_config(tmp_path):
    study, _ = tiny_study(tmp_path, arms={"full": {}})
    (tmp_path / "configs").mkdir()
    values = study.model_dump(mode="json") | {"arms": {"replayed": {"strategies": [REPLAY | {"text": "../raw.txt"}]}}}
    (tmp_path / "configs" / "s.yaml").write_text(json.dumps(values))
    (strategy,) = load_study(tmp_path / "configs" / "s.yaml").arms["replayed"].strategies
    assert strategy.text == str(tmp_path / "raw.txt") or strategy.text == str(tmp_path / "configs" / ".." / "raw.txt")


def test_a_missing_file_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(UserError, match="not found") as shown:
        tiny_study(tmp_path, arms={"odd": {"strategies": [REPLAY | {"text": str(tmp_path / "none.txt")}]}})
    assert "strategies.replay.text" in shown.value.hint


@pytest.mark.parametrize("changes", [{}, {"text": "own"}])
def test_an_encoder_without_a_masked_lm_head_is_refused_before_anything_runs(tmp_path, changes):
    study, _ = tiny_study(tmp_path, arms={"odd": {"strategies": [REPLAY | changes]}})
    with pytest.raises(UserError, match="needs the masked-LM head") as shown:
        prepare_and_try(study, home_dir=tmp_path / "home")
    assert "cls.predictions" in shown.value.found
    neutral, _ = tiny_study(tmp_path, arms={"even": {"strategies": [REPLAY | {"share": 0.0}]}})
    prepare_and_try(neutral, home_dir=tmp_path / "home")


def test_texts_of_a_search_are_prepared_too(tmp_path):
    (tmp_path / "raw.txt").write_text(TEXT)
    encoder = tiny_encoder(tmp_path / "own", masked_lm_head=True)
    space = {"strategies.replay.text": {"choices": ["own", str(tmp_path / "raw.txt")]}}
    study, card = tiny_study(
        tmp_path, encoder={"path": str(encoder)}, arms={"searched": {"search": {"space": space, "n_trials": 2}}}
    )
    assert prepare_data(study, home_dir=tmp_path / "home").raw_texts == card.raw_texts
    (sha256,) = card.raw_texts.values()
    assert texts_dir(card.directory, sha256).is_dir()
    chosen = {"searched": {"strategies.replay.text": str(tmp_path / "raw.txt")}}
    assert plan_runs(study, card, chosen, 1)[0].replayed_sha256 == sha256


def test_the_masking_ratio_is_that_of_pre_training():
    assert HEAD.masking_ratio == 0.15
