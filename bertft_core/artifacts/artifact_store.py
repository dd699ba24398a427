"""Folders of files by key in a shared store: uploaded once, verified on the way back, cached on each machine.

<root>/<key>/<SHA-256>      one file of the artifact
<root>/<key>/manifest.json  names, checksums and sizes; written last

Files belong to their key alone, so deleting an artifact, or replacing a state by a newer one, never damages another.
"""

import threading
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from bertft_core.artifacts.manifest import MANIFEST, Manifest, StoredFile, decoded, manifest_of
from bertft_core.artifacts.node_cache import LIMIT_BYTES, lock_of, manifest_path, mark_used, shrink
from bertft_core.artifacts.store_address import open_store
from bertft_core.storage.file_signatures import Signature, is_settled, signature_of
from bertft_core.storage.study_dir import file_sha256, write_atomically

TRIES = 2
"""How often a file is downloaded whose content is not what was stored: the way here may have changed it."""


class ArtifactMissing(RuntimeError):
    """Nothing complete is stored under this key."""


class ArtifactDamaged(RuntimeError):
    """What is stored is not what was put there; `put(…, replace=True)` stores it again."""


class ArtifactStore:
    """A shared store, and the folder of this machine that artifacts are cached in. Methods may be called from any thread.

    Failures of the file system itself are raised as its library does, mostly as `OSError`.
    """

    def __init__(self, address: str, cache_dir: Path, *, limit_bytes: int = LIMIT_BYTES) -> None:
        self.address, self.cache_dir, self.limit_bytes = address, cache_dir, limit_bytes
        """The last is of all that is in the cache; what is in use may be more."""
        self._in_use: dict[str, BinaryIO] = {}
        self._store = open_store(address)
        self._files, self._root = self._store.files, self._store.root
        self._verified: dict[Path, Signature] = {}
        self._counting = threading.Lock()
        self.sent_bytes = self.fetched_bytes = 0
        """Of files, without manifests."""

    def has(self, key: str) -> bool:
        """Something complete is stored under this key."""
        return bool(self._files.exists(self._at(key, MANIFEST)))

    def names(self, key: str) -> frozenset[str]:
        """Files of an artifact; none where nothing complete and intact is stored."""
        try:
            return frozenset(self._manifest(key).files)
        except (ArtifactMissing, ArtifactDamaged):
            return frozenset()

    def put(self, key: str, folder: Path, names: Iterable[str], *, replace: bool = False) -> None:
        """Store these files of a folder; nothing is done where the key is there already.

        With `replace` they take the place of what is there, which stays readable until they are complete. Raises `OSError`.
        """
        if not replace and self.has(key):
            return
        before = self._replaced(key) if replace else frozenset()
        manifest = manifest_of(folder, names)
        self._files.makedirs(self._at(key), exist_ok=True)
        for name, file in manifest.files.items():
            if replace or not self._is_there(key, file):
                self._upload(folder / name, self._at(key, file.sha256))
                self._count(sent=file.size)
        self._store.write(self._at(key, MANIFEST), manifest.encoded())
        for sha256 in before - manifest.blobs:
            with suppress(FileNotFoundError):
                self._files.rm_file(self._at(key, sha256))

    def get(self, key: str) -> Path:
        """This machine's copy of an artifact, which may be read and added to; what is missing or damaged in it is downloaded.

        It stays in the cache as long as this object lives; others go where the cache is beyond its limit.
        One process downloads, others wait for it. Raises `ArtifactMissing`, `ArtifactDamaged`.
        """
        target = self.cache_dir / key
        target.mkdir(parents=True, exist_ok=True)
        kept = manifest_path(target)
        before = self.fetched_bytes
        with lock_of(target):
            target.mkdir(exist_ok=True)  # it may have been deleted while we waited
            try:
                manifest = decoded(kept.read_bytes())
            except (OSError, ValueError):
                manifest = self._manifest(key)
                write_atomically(kept, manifest.encoded())
            used = mark_used(target)
            with self._counting:
                self._in_use.setdefault(key, used)
            self._complete(key, manifest, target)
        if self.fetched_bytes > before:
            shrink(self.cache_dir, self.limit_bytes)
        return target

    def fetch(self, key: str, folder: Path) -> None:
        """Download an artifact into a folder, over what is there of the same names, without the cache. Raises as `get` does."""
        self._complete(key, self._manifest(key), folder)

    def delete(self, key: str) -> None:
        """Forget an artifact, complete or not; the copies in caches stay."""
        with suppress(FileNotFoundError):
            self._files.rm_file(self._at(key, MANIFEST))  # first: what is left is then known to be incomplete
        with suppress(FileNotFoundError):
            self._files.rm(self._at(key), recursive=True)

    def _complete(self, key: str, manifest: Manifest, folder: Path) -> None:
        for name, file in manifest.files.items():
            if not self._is_intact(folder / name, file):
                self._download(key, file, folder / name)

    def _is_intact(self, path: Path, file: StoredFile) -> bool:
        """The file is as it was stored; its content is read once per process, and again when the file has changed."""
        signature = signature_of(path)
        if self._verified.get(path) == signature:
            return True
        if signature[2] != file.size or not path.is_file() or file_sha256(path) != file.sha256:
            return False
        if is_settled(signature):
            self._verified[path] = signature
        return True

    def _download(self, key: str, file: StoredFile, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name[:100]}.{uuid.uuid4().hex}.part")
        try:
            for _ in range(TRIES):
                try:
                    self._files.get_file(self._at(key, file.sha256), str(part))
                except FileNotFoundError:
                    raise ArtifactMissing(f"{self.address}: {key} is not complete") from None
                self._count(fetched=file.size)
                if file_sha256(part) == file.sha256:
                    part.replace(path)
                    return
            raise ArtifactDamaged(f"{self.address}: the content of {path.name} in {key} does not match its checksum")
        finally:
            part.unlink(missing_ok=True)

    def _manifest(self, key: str) -> Manifest:
        try:
            return decoded(self._files.cat_file(self._at(key, MANIFEST)))
        except FileNotFoundError:
            raise ArtifactMissing(f"{self.address} has no {key}") from None
        except ValueError as error:
            raise ArtifactDamaged(f"{self.address}: the list of files of {key}: {error}") from None

    def _replaced(self, key: str) -> frozenset[str]:
        """SHA-256 of the files that the key has now, as far as that is known."""
        try:
            return self._manifest(key).blobs
        except (ArtifactMissing, ArtifactDamaged):
            return frozenset()

    def _is_there(self, key: str, file: StoredFile) -> bool:
        """An upload that was interrupted later on has left this file."""
        try:
            return int(self._files.info(self._at(key, file.sha256))["size"]) == file.size
        except FileNotFoundError:
            return False

    def _upload(self, path: Path, target: str) -> None:
        part = f"{target}.{uuid.uuid4().hex}.part" if self._store.renames else target
        self._files.put_file(str(path), part)
        if part != target:
            self._files.mv(part, target)

    def _at(self, key: str, name: str = "") -> str:
        return f"{self._root}/{key}/{name}" if name else f"{self._root}/{key}"

    def _count(self, *, sent: int = 0, fetched: int = 0) -> None:
        with self._counting:
            self.sent_bytes += sent
            self.fetched_bytes += fetched
