"""What `bertft plan` says of each arm's model, inputs, steps and memory."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.numpy import load_file, save_file

from bertft_core.planning.run_specs import plan_runs
from bertft_core.storage.study_dir import StudyDir
from bertft_core.training.cost_estimate import CostEstimator, n_parameters
from flows.cli.plan_arms import arm_lines
from flows.cli.plan_command import print_plan
from tests.helpers.small_records import make_record
from tests.helpers.tiny_encoders import tiny_encoder
from tests.helpers.tiny_studies import tiny_study


def test_every_arm_has_its_own_model_inputs_and_steps(tmp_path):
    other = tiny_encoder(tmp_path / "roberta", "roberta", seed=3)
    arms = {"base": {}, "other": {"encoder": {"path": str(other)}}, "short": {"data": {"max_length": 8}, "epochs": 1}}
    study, card = tiny_study(tmp_path, arms=arms)
    base, roberta, short = arm_lines(study, card, [])
    assert "inputs of at most 48 tokens, 15 steps of 5, up to" in base
    assert "inputs of at most 8 tokens, 5 steps of 5, up to" in short
    assert f"{n_parameters(card.of_arm('other')) / 1e6:.3g} M" in roberta
    assert base.endswith(f": data.max_length 48, encoder.path {card.encoder_dir}")
    assert short.endswith(f": data.max_length 8, encoder.path {card.encoder_dir}")
    assert n_parameters(card.of_arm("other")) == sum(w.size for w in load_file(other / "model.safetensors").values())


def test_arms_of_a_grid_or_learning_curve_say_what_they_are(tmp_path):
    arms = {"crf": {"grid": {"learning_rate": [1e-3, 1e-4]}, "max_steps": 1}, "curve": {"learning_curve": {"sizes": [9, 12]}}}
    lines = arm_lines(*tiny_study(tmp_path, arms=arms), [])
    assert [line.rpartition(": ")[2] for line in lines] == [
        "learning_rate 0.001, train_examples 24",
        "learning_rate 0.0001, train_examples 24",
        "train_examples 9",
        "train_examples 12",
    ]


def test_one_arm_and_one_run_are_counted_in_the_singular_and_nothing_is_pruned_where_nothing_is_searched(tmp_path, capsys):
    arm = {"full": {"max_steps": 1}}
    study, _ = tiny_study(tmp_path, arms=arm, seeds={"n": 1})
    print_plan(study, tmp_path / "home")
    shown = capsys.readouterr().out
    assert "1 arm × 1 seed on" in shown
    assert "1 step of " in shown
    assert "1 run to train, 0 done" in shown
    assert "pruning" not in shown
    search = {"space": {"learning_rate": {"choices": [1e-4, 1e-3]}}, "n_trials": 2, "n_seeds": 1}
    for pruner, said in (("median", True), ("none", False)):
        print_plan(
            tiny_study(tmp_path, arms={"full": arm["full"] | {"search": search | {"pruner": pruner}}})[0], tmp_path / "home"
        )
        assert ("pruning makes a search shorter" in capsys.readouterr().out) is said


def test_memory_is_measured_where_runs_of_the_arm_are_known(tmp_path):
    study, card = tiny_study(tmp_path)
    (spec,) = [spec for spec in plan_runs(study, card, {}, 1) if spec.arm == "full"]
    record = make_record(spec, card, StudyDir(tmp_path / "home", study.name)).model_copy(update={"peak_memory_bytes": 3 * 2**30})
    features, full = arm_lines(study, card, [record])
    assert "3.0 GiB of memory (measured)" in full
    assert "measured" not in features


def test_weights_in_several_files_and_in_16_bits_count_as_they_are_trained(tmp_path):
    study, card = tiny_study(tmp_path)
    spec = plan_runs(study, card, {}, 1)[-1]
    whole, n = CostEstimator(card, []).of(spec), n_parameters(card)
    folder = Path(card.encoder_dir)
    weights = {name: weight.astype("float16") for name, weight in load_file(folder / "model.safetensors").items()}
    (folder / "model.safetensors").unlink()
    names = sorted(weights)
    parts = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, held in parts.items():
        save_file({name: weights[name] for name in held}, folder / file)
    index = {"weight_map": {name: file for file, held in parts.items() for name in held}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert n_parameters(card) == n
    assert CostEstimator(card, []).of(spec).model_bytes == whole.model_bytes
