"""What is stored under a key: each file's name, SHA-256 and size. It is written last, so what has none is not complete."""

import json
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from pydantic import Field, ValidationError

from bertft_core.config.base import SHA256_PATTERN, Frozen, canonical_json, digest_of
from bertft_core.storage.study_dir import file_sha256

MANIFEST = "manifest.json"


class StoredFile(Frozen):
    """One file of an artifact."""

    sha256: str = Field(pattern=SHA256_PATTERN)
    size: int = Field(ge=0)
    """In bytes."""


class Manifest(Frozen):
    """The files of one artifact, by their names relative to its folder."""

    version: int = 1
    files: dict[str, StoredFile]

    @property
    def blobs(self) -> frozenset[str]:
        """SHA-256 of every file."""
        return frozenset(file.sha256 for file in self.files.values())

    def encoded(self) -> bytes:
        """As it is stored: JSON with a checksum of the rest."""
        rest = self.model_dump(mode="json")
        return canonical_json({"sha256": digest_of(rest), **rest}).encode()


def manifest_of(folder: Path, names: Iterable[str]) -> Manifest:
    """Of files in a folder. Raises `OSError` for one that cannot be read."""
    described = {name: StoredFile(sha256=file_sha256(folder / name), size=(folder / name).stat().st_size) for name in names}
    return Manifest(files=dict(sorted(described.items())))


def decoded(content: bytes) -> Manifest:
    """The manifest in these bytes. Raises `ValueError` for others, and for names that lead out of a folder."""
    values = json.loads(content)
    if not isinstance(values, dict) or values.pop("sha256", None) != digest_of(values):
        raise ValueError("its content does not match its checksum")
    try:
        manifest = Manifest.model_validate(values)
    except ValidationError as error:
        raise ValueError(error.errors()[0]["msg"]) from None
    for name in manifest.files:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise ValueError(f"a file cannot have the name {name!r}")
    return manifest
