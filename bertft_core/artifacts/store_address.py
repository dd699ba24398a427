"""The address of an artifact store, opened as a file system."""

import uuid
from pathlib import Path
from typing import Any, NamedTuple

import fsspec

from bertft_core.config.addresses import without_password
from bertft_core.config.errors import UserError

TESTED = ("file", "memory", "s3")
"""Protocols that the tests cover; any other that fsspec knows is used in the same way."""
WHOLE_OR_ABSENT = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "memory"})
"""Protocols whose uploads appear when they are complete; in others a file is uploaded under a temporary name and renamed."""


class OpenStore(NamedTuple):
    """A file system, and the folder in it that everything is stored below."""

    files: Any
    root: str
    renames: bool
    """A file has to be uploaded under a temporary name: a reader could see a part of it otherwise."""

    def write(self, target: str, content: bytes) -> None:
        """Write a small file, or replace it: a reader sees the old content or the new one."""
        part = f"{target}.{uuid.uuid4().hex}.part" if self.renames else target
        self.files.pipe_file(part, content)
        if part != target:
            self.files.mv(part, target)

    def create(self, target: str, content: bytes) -> bool:
        """Write a small file that is not there; False where it is. Of several that try at once, one succeeds.

        Where files are renamed a reader may see it empty for a moment.
        """
        try:
            if self.renames:  # `pipe_file` of local files looks first and writes then
                with self.files.open(target, "xb") as file:
                    file.write(content)
            else:
                self.files.pipe_file(target, content, mode="create")
        except FileExistsError:
            return False
        return True


def default_address(home_dir: Path) -> str:
    """Of the store in a home."""
    return f"file://{(home_dir / 'artifacts').resolve()}"


def open_store(address: str) -> OpenStore:
    """The file system behind an address. Credentials come from the environment, as the library of the protocol reads them.

    Raises `UserError` for an address with credentials in it, and for a protocol that is unknown or whose package is missing.
    """
    protocol = protocol_of(address)
    if without_password(address) != address:
        raise UserError(
            "the address of the artifact store contains credentials",
            code="store.credentials-in-address",
            found=without_password(address),
            expected="an address that can be shown",
            hint="set them where the library reads them, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        )
    try:
        files, root = fsspec.core.url_to_fs(address, use_listings_cache=False)
    except ValueError as error:
        raise UserError(
            **_unusable(address, error),
            code="store.unknown-protocol",
            hint="write file://FOLDER or s3://BUCKET/FOLDER",
        ) from None
    except ImportError as error:
        raise UserError(
            **_unusable(address, error),
            code="store.package-missing",
            hint=f"run make install EXTRAS={protocol}" if protocol == "s3" else f"install what fsspec needs for {protocol}://",
        ) from None
    return OpenStore(files, str(root).rstrip("/"), protocol not in WHOLE_OR_ABSENT)


def protocol_of(address: str) -> str:
    """`s3` of `s3://bucket/folder`; `file` of a plain path."""
    before, found, _ = address.partition("://")
    return before if found else "file"


def _unusable(address: str, error: Exception) -> dict[str, Any]:
    tested = ", ".join(f"{name}://" for name in TESTED)
    return {
        "problem": f"the artifact store {address} cannot be opened",
        "found": str(error),
        "expected": f"an address that fsspec can open; {tested} are tested",
    }
