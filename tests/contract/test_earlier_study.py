"""A study starts from the model that an earlier one has kept, and says so; what is not there is refused with what to do."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

from bertft_core.config import StudyConfig, UserError, parse_study
from bertft_core.config.encoder_settings import EncoderConfig
from bertft_core.data.encoder_files import resolve_encoder
from bertft_core.data.prepare_study_data import prepare_data
from bertft_core.heads import classification
from bertft_core.records import DatasetCard, RunRecord, StudySummary
from bertft_core.report.prose.data_card_text import card_text
from bertft_core.report.study_report import write_report
from bertft_core.storage.study_dir import StudyDir, file_sha256, read_record, write_record
from bertft_core.storage.study_results import StudyResults
from bertft_core.training.cost_estimate import CostEstimator
from bertft_core.training.determinism import init_stream
from tests.helpers.pretrained_studies import ARMS, run_study
from tests.helpers.tiny_studies import tiny_spec


@pytest.fixture
def home(pretrained, tmp_path) -> Path:
    """A copy, to be broken."""
    shutil.copytree(pretrained[0] / "home", tmp_path / "home")
    return tmp_path / "home"


def asked(**encoder: Any) -> EncoderConfig:
    return EncoderConfig.model_validate({"study": "mlm", **encoder})


def downstream(directory: Path, name: str = "labels", **encoder: Any) -> StudyConfig:
    """A classification of the same texts on top of the pre-trained model."""
    data = {"source": "files", "max_length": 48} | {
        s: str(directory / f"texts/{s}.jsonl") for s in ("train", "validation", "test")
    }
    section = {"study": "mlm"} | encoder
    return parse_study({"name": name, "data": data, "encoder": section, "arms": {"full": {}}, "training": {"epochs": 1}})


def best_of(records: dict[str, RunRecord], arm: str) -> RunRecord:
    """By validation loss."""
    return min((r for r in records.values() if r.spec.arm == arm), key=lambda r: r.best_score)


# Which model


def test_the_best_arm_and_its_best_seed_are_meant_where_none_is_named(pretrained):
    directory, _, card, records = pretrained
    means = {arm: sum(r.best["test"]["loss"] for r in records.values() if r.spec.arm == arm) / 2 for arm in ARMS}
    arm = min(means, key=means.__getitem__)
    assert arm != "slow", "the first arm is not the best one, so the choice shows"
    best = best_of(records, arm)
    files = resolve_encoder(asked(), directory / "home")
    assert files.source == "study"
    assert files.directory == StudyDir(directory / "home", "mlm").run_dir(best.digest) / "model"
    assert files.identity.checkpoint == f"study mlm · {arm} · seed {best.spec.index:03d}"
    assert files.identity.revision == best.digest
    assert files.identity.weights_sha256 == file_sha256(files.directory / "model.safetensors")
    (link,) = files.chain
    assert (link.study, link.arm, link.seed, link.run_digest) == ("mlm", arm, best.spec.index, best.digest)
    assert link.encoder == card.encoder


def test_equal_arms_are_taken_in_the_order_of_the_study(home, pretrained):
    path = StudyDir(home, "mlm").summary_path
    summary = read_record(path, StudySummary)
    level = [
        arm.model_copy(update={"metrics": tuple(m.model_copy(update={"mean": 1.0}) for m in arm.metrics)}) for arm in summary.arms
    ]
    write_record(path, summary.model_copy(update={"arms": tuple(level)}))
    assert resolve_encoder(asked(), home).chain[0].arm == "slow"


def test_an_arm_and_a_seed_may_be_named(home, pretrained):
    _, _, _, records = pretrained
    assert resolve_encoder(asked(arm="slow"), home).identity.revision == best_of(records, "slow").digest
    kept = best_of(records, "slow").spec.index
    assert resolve_encoder(asked(arm="slow", seed=kept), home).chain[0].seed == kept


# What is refused


def refused(home: Path, **encoder: Any) -> UserError:
    with pytest.raises(UserError) as caught:
        resolve_encoder(asked(**encoder), home)
    return caught.value


def test_a_study_that_is_not_there_is_refused_with_those_that_are(home, tmp_path):
    error = refused(home, study="mlms")
    assert error.found == "the studies mlm"
    assert error.hint == "did you mean 'mlm'?"
    error = refused(tmp_path / "empty")
    assert error.found == "no studies"
    assert "run that study first" in error.hint


def test_a_study_that_has_not_ended_is_refused(home, pretrained):
    study_dir = StudyDir(home, "mlm")
    longer = pretrained[1].model_copy(update={"seed": 1})
    write_record(study_dir.config_path, longer)
    error = refused(home)
    assert "is not finished" in error.problem
    assert error.found == "a summary of an earlier version of the study"
    write_record(study_dir.config_path, pretrained[1])
    study_dir.summary_path.unlink()
    error = refused(home)
    assert error.found == "no summary"
    assert "bertft run" in error.hint


def test_a_model_that_was_not_kept_is_refused(home, pretrained):
    _, _, _, records = pretrained
    other = 1 - best_of(records, "quick").spec.index
    error = refused(home, arm="quick", seed=other)
    assert f"did not keep the model of quick · seed {other:03d}" in error.problem
    assert error.found == "retention.checkpoints: best"
    assert "retention.checkpoints=all" in error.hint


def test_arms_and_seeds_that_are_not_there_are_refused(home):
    error = refused(home, arm="quik")
    assert error.hint == "did you mean 'quick'?"
    error = refused(home, arm="quick", seed=7)
    assert error.expected == "one of 0, 1"


def test_a_study_whose_runs_all_failed_has_no_model(home):
    study_dir = StudyDir(home, "mlm")
    summary = read_record(study_dir.summary_path, StudySummary)
    arms = tuple(arm.model_copy(update={"metrics": ()}) for arm in summary.arms)
    write_record(study_dir.summary_path, summary.model_copy(update={"arms": arms}))
    assert refused(home).found == "no arm has a score"
    for path in study_dir.path.glob("runs/*/record.json"):
        path.unlink()
    assert refused(home, arm="slow").found == "no run of the arm 'slow' finished with a score"


def test_weights_may_be_pinned(home):
    sha256 = resolve_encoder(asked(), home).identity.weights_sha256
    assert resolve_encoder(asked(weights_sha256=sha256), home).identity.weights_sha256 == sha256
    assert "encoder weights have changed" in refused(home, weights_sha256="0" * 64).problem


@pytest.mark.parametrize(
    ("encoder", "place"),
    [
        ({"study": "mlm", "path": "somewhere"}, "encoder.path"),
        ({"study": "mlm", "checkpoint": "prajjwal1/bert-tiny"}, "encoder.checkpoint"),
        ({"study": "mlm", "revision": "main"}, "encoder.revision"),
        ({"arm": "full"}, "encoder.arm"),
        ({"seed": 0}, "encoder.seed"),
        ({"study": "labels"}, "encoder.study"),
        ({"study": "../mlm"}, "encoder.study"),
    ],
)
def test_an_encoder_comes_from_one_place(tmp_path, encoder, place):
    values = {"name": "labels", "data": {"source": "bundled", "name": "reviews"}, "arms": {"full": {}}, "encoder": encoder}
    with pytest.raises(UserError) as caught:
        parse_study(values)
    assert place in str(caught.value)


def test_a_section_comes_back_from_json():
    for config in (asked(), asked(arm="quick", seed=3), EncoderConfig.model_validate({})):
        assert EncoderConfig.model_validate_json(config.model_dump_json()) == config


# The chain


def test_the_card_records_the_whole_chain_and_every_view_of_it_shows_it(pretrained, tmp_path):
    directory, _, first_card, _ = pretrained
    home = directory / "home"
    study = downstream(directory)
    card = prepare_data(study, home_dir=home)
    assert [link.study for link in card.chain] == ["mlm"]
    records = run_study(study, card, home)
    again = downstream(directory, "more", study="labels")
    last = prepare_data(again, home_dir=home)
    assert [link.study for link in last.chain] == ["mlm", "labels"]
    assert [link.encoder for link in last.chain] == [first_card.encoder, card.encoder]
    assert last.encoder.revision == last.chain[1].run_digest == best_of_accuracy(records).digest
    names = (first_card.encoder.checkpoint, card.encoder.checkpoint, last.encoder.checkpoint)
    assert last.lineage == names
    assert " → ".join((*names, "this study")) in card_text(last)
    assert "this study" not in card_text(first_card)
    study_dir = StudyDir(home, "labels")
    summary = read_record(study_dir.summary_path, StudySummary)
    page = write_report(StudyResults(study, card, study_dir, records, evaluated=summary)).read_text()
    assert f"{first_card.encoder.checkpoint} → study mlm · {card.chain[0].arm}" in page
    assert DatasetCard.model_validate_json(last.model_dump_json()) == last


def best_of_accuracy(records: dict[str, RunRecord]) -> RunRecord:
    """Best by validation, of equals the lowest index."""
    return max(records.values(), key=lambda r: (r.best_score, -r.spec.index))


def test_a_run_starts_from_the_pretrained_weights_and_its_cost_can_be_known(pretrained):
    directory, _, _, _ = pretrained
    study = downstream(directory)
    card = prepare_data(study, home_dir=directory / "home")
    spec = tiny_spec(study, card)
    assert spec.encoder == card.encoder
    assert CostEstimator(card, []).of(spec).seconds > 0
    with init_stream(spec.seeds.init):
        model = classification.HEAD.build(spec.encoder_dir, spec.labels, None, spec.head)
    saved = load_file(Path(card.encoder_dir) / "model.safetensors")
    encoder = {name: p for name, p in model.named_parameters() if name.startswith("bert.") and ".pooler." not in name}
    assert len(encoder) > 30
    assert all(torch.equal(p, saved[name]) for name, p in encoder.items())


def test_the_missing_pooler_is_drawn_from_the_init_seed(pretrained):
    directory, _, _, _ = pretrained
    files = resolve_encoder(asked(), directory / "home")
    study = downstream(directory)

    def pooler(init_seed: int) -> torch.Tensor:
        with init_stream(init_seed):
            model = classification.HEAD.build(str(files.directory), ("a", "b"), None, study.head)
        return model.bert.pooler.dense.weight.detach()

    assert not any(".pooler." in name for name in load_file(files.directory / "model.safetensors"))
    assert torch.equal(pooler(1), pooler(1))
    assert not torch.equal(pooler(1), pooler(2))
    assert abs(float(pooler(1).std()) - 0.4) < 0.1, "the initializer range of the checkpoint"
    plain = AutoModelForSequenceClassification.from_pretrained(files.directory)
    assert plain.bert.pooler.dense.weight.shape == pooler(1).shape
