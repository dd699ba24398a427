"""One row of the table of refusals, and how it is provoked."""

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import pytest

from bertft_core.config.errors import UserError
from flows.cli.app import app
from tests.helpers.stored_studies import unpack
from tests.helpers.tiny_encoders import tiny_encoder

SHARED = ("encoder", "home")


@dataclass(frozen=True)
class Refusal:
    """A code, the files and the command line that provoke it, and the place that its message names."""

    code: str
    command: str = ""
    """Words after `bertft`, in a folder with `files` and the links `encoder` (a tiny BERT) and `home` (stored studies)."""
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    place: str = ""
    """`FILE` or `FILE:LINE`, relative to the folder; empty where the refusal is about the command line itself."""
    call: Callable[[Path], object] | None = None
    """Instead of a command: what no command line reaches here, called with the folder."""


def link(shared: Path, folder: Path) -> None:
    """Links in the folder to what `make_shared` wrote."""
    for name in SHARED:
        (folder / name).symlink_to(shared / name)


def make_shared(directory: Path) -> None:
    """A tiny encoder and a home with stored studies, which refusals only read."""
    tiny_encoder(directory / "encoder")
    unpack(directory)


def raising(error: BaseException) -> Callable[..., NoReturn]:
    """A stand-in for a function that fails in this way, whatever it is given."""

    def fails(*_: object, **__: object) -> NoReturn:
        raise error

    return fails


def provoked(refusal: Refusal, folder: Path) -> UserError:
    """The error that the row gives in this folder."""
    for name, content in refusal.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    call = refusal.call or (lambda _: app(args=shlex.split(refusal.command), prog_name="bertft", standalone_mode=False))
    with pytest.raises(UserError) as caught:
        call(folder)
    return caught.value


def place_of(error: UserError, folder: Path) -> str:
    """Where the message says that the fault is, relative to the folder."""
    if error.path is None:
        return ""
    path = shown(error.path, folder)
    return path if error.line is None else f"{path}:{error.line}"


def shown(text: str, folder: Path) -> str:
    """A text without what differs from one machine or run to the next."""
    for name in SHARED:
        text = text.replace(str((folder / name).resolve()), name)
    for place in (folder, folder.resolve()):
        text = text.replace(f"{place}/", "").replace(str(place), ".")
    text = re.sub(r"\bprocess \d+.*", "process N", text)
    return re.sub(r"\b[0-9a-f]{12,64}\b", "DIGEST", text)
