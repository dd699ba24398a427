"""A run's inputs made anew from a study's config: the same, or refused with what is another now."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from bertft_core.config import StudyConfig, UserError, parse_study
from bertft_core.data.prepare_study_data import prepare_data
from bertft_core.planning.run_specs import plan_runs
from bertft_core.records import DatasetCard, RunRecord
from bertft_core.storage.study_dir import StudyDir
from bertft_core.training.retraining import missing_input
from flows.cli.replay_command import rebuilt_spec
from tasks.tracking.logged_runs import LoggedRun
from tests.helpers.small_records import make_record
from tests.helpers.tiny_studies import tiny_study


def logged(study: StudyConfig, card: DatasetCard, folder: Path) -> LoggedRun:
    """The study's first run as if it had been read from MLflow."""
    spec = plan_runs(study, card, {})[0]
    record: RunRecord = make_record(spec, card, StudyDir(folder, "recorded"))
    return LoggedRun(client=None, run=None, record=record, run_dir=folder, study=study, card=card)  # type: ignore[arg-type]


def test_the_inputs_are_made_anew_in_another_home(tmp_path):
    study, card = tiny_study(tmp_path)
    run = logged(study, card, tmp_path)
    shutil.rmtree(tmp_path / "home")
    spec = rebuilt_spec(run, tmp_path / "temporary", tmp_path / "home")
    assert Path(spec.prepared_dir).is_relative_to(tmp_path / "temporary")
    assert missing_input(spec) is None
    assert spec.digest == run.record.spec.digest
    assert not (tmp_path / "home").exists()


def test_data_that_have_changed_are_refused_with_the_split(tmp_path):
    study, card = tiny_study(tmp_path)
    train = Path(study.data.train)
    train.write_text(train.read_text().replace("lovely", "charming", 1))
    with pytest.raises(UserError, match="the data have changed") as error:
        rebuilt_spec(logged(study, card, tmp_path), tmp_path / "temporary", tmp_path / "home")
    assert error.value.found == "split train: different examples (24 → 24)"


def test_an_encoder_that_has_changed_is_refused(tmp_path):
    study, card = tiny_study(tmp_path)
    weights = Path(card.encoder_dir) / "model.safetensors"
    tensors = load_file(weights)
    save_file(
        tensors | {name: tensor + 1 for name, tensor in tensors.items() if name.endswith("bias")}, weights, {"format": "pt"}
    )
    with pytest.raises(UserError, match="the encoder weights have changed"):
        rebuilt_spec(logged(study, card, tmp_path), tmp_path / "temporary", tmp_path / "home")


def test_the_model_of_an_earlier_study_is_found_in_the_home_and_missed_elsewhere(pretrained, tmp_path):
    directory, earlier, *_ = pretrained
    values: dict[str, Any] = earlier.model_dump(mode="json", include={"data", "seeds", "execution"})
    study = parse_study(values | {"name": "later", "encoder": {"study": "mlm"}, "arms": {"full": {}}, "head": "classification"})
    run = logged(study, prepare_data(study, home_dir=directory / "home"), tmp_path)
    spec = rebuilt_spec(run, tmp_path / "temporary", directory / "home")
    assert missing_input(spec) is None
    assert Path(spec.encoder_dir).is_relative_to(directory / "home" / "studies" / "mlm")
    with pytest.raises(UserError, match="there is no study 'mlm' in this home"):
        rebuilt_spec(run, tmp_path / "temporary", tmp_path / "nowhere")
