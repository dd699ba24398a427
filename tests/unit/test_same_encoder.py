"""Results are of the model that a study names: the same weights with other settings are another model, and are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bertft_core.config import UserError
from bertft_core.config.head_settings import EXTRA_PARTS, part_file
from bertft_core.data.encoder_files import resolve_encoder
from bertft_core.data.prepare_study_data import prepare_data
from bertft_core.planning.run_specs import plan_runs, search_digest
from bertft_core.records import DatasetCard, RunRecord
from bertft_core.storage.study_dir import StudyDir, write_record
from flows.cli.plan_command import print_plan
from tasks.same_encoder import refuse_other_study
from tasks.stored_runs import StoredRuns
from tests.helpers.small_records import make_card, make_record, make_spec, make_study
from tests.helpers.tiny_encoders import tiny_encoder
from tests.helpers.tiny_studies import tiny_study


class NoLog:
    """An MLflow without any run."""

    def restore(self, digest: str, run_dir: Path) -> None:
        return None

    def discard(self, digest: str) -> None:
        pass


def with_settings(card: DatasetCard, settings: str | None, **changes) -> DatasetCard:
    return card.model_copy(update={"encoder": card.encoder.model_copy(update={"settings_sha256": settings}), **changes})


def stored(tmp_path: Path, card: DatasetCard) -> tuple[StudyDir, RunRecord]:
    """A study's folder with one finished run of this card."""
    study_dir = StudyDir(tmp_path / "home", "small")
    write_record(study_dir.card_path, card)
    spec = make_spec(make_study(), card)
    return study_dir, make_record(spec, card, study_dir)


def edit(encoder: Path, **settings) -> None:
    path = encoder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


def test_the_settings_of_the_encoder_are_known_and_in_no_digest(tmp_path):
    study, card = make_study(), make_card(tmp_path)
    other = with_settings(card, "a" * 64)
    for first, second in zip(plan_runs(study, card, {}), plan_runs(study, other, {}), strict=True):
        assert (first.digest, first.setting_digest) == (second.digest, second.setting_digest)
        assert second.encoder.settings_sha256 == "a" * 64
    assert search_digest(study, card, "full") == search_digest(study, other, "full")


@pytest.mark.parametrize("settings", [{"layer_norm_eps": 0.1}, {"hidden_act": "relu"}, {"num_attention_heads": 1}])
def test_settings_that_change_the_model_change_its_identity_though_the_weights_are_the_same(tmp_path, settings):
    encoder = tiny_encoder(tmp_path, "bert")
    config = make_study(encoder={"path": str(encoder)}).encoder
    before = resolve_encoder(config).identity
    edit(encoder, **settings)
    after = resolve_encoder(config).identity
    assert after.weights_sha256 == before.weights_sha256
    assert after.settings_sha256 != before.settings_sha256


@pytest.mark.parametrize("settings", [{"_name_or_path": "x"}, {"transformers_version": "0"}, {"id2label": {"0": "x"}}])
def test_names_in_the_settings_do_not(tmp_path, settings):
    encoder = tiny_encoder(tmp_path, "bert")
    config = make_study(encoder={"path": str(encoder)}).encoder
    before = resolve_encoder(config).identity
    edit(encoder, **settings)
    assert resolve_encoder(config).identity == before


@pytest.mark.parametrize("part", EXTRA_PARTS)
def test_another_part_of_a_head_beside_the_same_weights_is_another_model(tmp_path, part):
    encoder = tiny_encoder(tmp_path, "bert")
    config = make_study(encoder={"path": str(encoder)}).encoder
    before = resolve_encoder(config).identity
    (encoder / part_file(part)).write_bytes(b"transitions")
    assert resolve_encoder(config).identity.settings_sha256 != before.settings_sha256


@pytest.mark.parametrize(
    ("then", "now", "replaced", "code"),
    [
        ("a", "a", (), None),
        (None, "a", (), None),
        ("a", "a", ("classifier",), None),
        ("a", "b", (), "study.encoder-settings-changed"),
        (None, "a", ("classifier",), "study.checkpoint-head"),
    ],
)
def test_a_finished_run_is_used_again_for_the_same_model_only(tmp_path, then, now, replaced, code):
    card = make_card(tmp_path)
    study_dir, record = stored(tmp_path, with_settings(card, then))
    wanted = with_settings(card, now, new_parts=("classifier",), unused_parts=replaced)
    spec = make_spec(make_study(), wanted)
    assert spec.digest == record.digest  # the digest alone would not tell
    runs = StoredRuns(study_dir, wanted, NoLog(), force=False)
    if code is None:
        refuse_other_study(study_dir, wanted)
        assert runs.finished(spec) == record
        return
    for refused in (lambda: refuse_other_study(study_dir, wanted), lambda: runs.finished(spec)):
        with pytest.raises(UserError) as error:
            refused()
        assert error.value.code == code
        assert "--force" in error.value.hint
    assert StoredRuns(study_dir, wanted, NoLog(), force=True).finished(spec) is None  # trained again


def test_other_weights_are_other_runs_and_nothing_is_refused(tmp_path):
    card = make_card(tmp_path)
    study_dir, _ = stored(tmp_path, with_settings(card, "a"))
    other = with_settings(card, "b")
    refuse_other_study(
        study_dir, other.model_copy(update={"encoder": other.encoder.model_copy(update={"weights_sha256": "f" * 64})})
    )


@pytest.mark.parametrize("card_is_of_now", [False, True])
def test_a_plan_refuses_runs_of_other_settings_as_a_run_does(tmp_path, capsys, card_is_of_now):
    study, card = tiny_study(tmp_path)
    study_dir = StudyDir(tmp_path / "home", study.name)
    make_record(plan_runs(study, card, {})[0], card, study_dir)
    write_record(study_dir.card_path, card)
    print_plan(study, tmp_path / "home")
    assert "2 runs to train, 1 done" in capsys.readouterr().out
    edit(tmp_path / "encoder", layer_norm_eps=0.1)
    if card_is_of_now:  # as after a run with --force that was stopped
        write_record(study_dir.card_path, prepare_data(study, home_dir=tmp_path / "home"))
    with pytest.raises(UserError) as error:
        print_plan(study, tmp_path / "home")
    assert error.value.code == "study.encoder-settings-changed"


def test_an_arm_with_other_settings_of_the_same_weights_may_be_added_to_a_study(tmp_path):
    card = with_settings(make_card(tmp_path), "a")
    study_dir, _ = stored(tmp_path, card)
    renamed = card.encoder.model_copy(update={"checkpoint": "dropped", "settings_sha256": "b"})
    own = card.model_copy(update={"encoder": renamed})
    refuse_other_study(study_dir, card.model_copy(update={"arms": {"dropped": own}}))
    write_record(study_dir.card_path, card.model_copy(update={"arms": {"dropped": own}}))
    refuse_other_study(study_dir, own.model_copy(update={"arms": {"full": card}}))  # the arms in another order
    changed = own.model_copy(update={"encoder": renamed.model_copy(update={"settings_sha256": "c"})})
    with pytest.raises(UserError, match="settings have changed"):
        refuse_other_study(study_dir, card.model_copy(update={"arms": {"dropped": changed}}))
