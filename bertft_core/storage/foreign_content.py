"""What a file holds when it is not what its name says: a page, a pointer, a pickle, nothing. Only its first bytes are read."""

from pathlib import Path
from typing import NamedTuple

N_READ = 512


class Foreign(NamedTuple):
    """A kind of file that its first bytes show."""

    starts: tuple[bytes, ...]
    what: str
    remedy: str
    """What to do where it is given as a data file."""
    note: str = ""
    """What to know where it is given as a file of an encoder or model."""


PICKLED = "can execute code and is never read"
FOREIGN = (
    Foreign(
        (b"version https://git-lfs", b"version https://hawser"),
        "a pointer of Git LFS, not the file itself",
        "fetch the file itself with git lfs pull",
        "; `git lfs pull` fetches it",
    ),
    Foreign(
        (b"PK\x03\x04",),
        "a zip archive",
        "unpack it; a workbook (.xlsx, .ods) has to be saved as CSV",
        f", as torch.save writes it: it is pickled, which {PICKLED}",
    ),
    Foreign(
        tuple(bytes((0x80, version)) for version in range(2, 6)),  # alone, 0x80 is a sign of cp1252
        "a pickle",
        "write its content as CSV, JSON lines or Parquet",
        f", which {PICKLED}",
    ),
    Foreign((b"\x1f\x8b",), "a gzip archive", "rename it to end in .gz"),
    Foreign((b"PAR1",), "a Parquet file", "rename it to end in .parquet"),
    Foreign((b"%PDF",), "a PDF", "export its text"),
    Foreign((b"GGUF",), "a GGUF file", "name a file of examples"),
    Foreign((b"\x89HDF",), "an HDF5 file", "write its content as CSV, JSON lines or Parquet"),
)
PAGE = Foreign(
    (b"<!doctype", b"<html", b"<?xml", b"<head"),
    "a web page, such as a login or an error page",
    "download the file itself; examples in XML have to be converted",
)
"""Its beginning may be in capitals, after white space or a byte-order mark."""


def foreign_start(start: bytes) -> Foreign | None:
    """The kind of file that begins like this, if it is none of texts or weights."""
    if start.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(PAGE.starts):
        return PAGE
    return next((foreign for foreign in FOREIGN if start.startswith(foreign.starts)), None)


def foreign_content(path: Path) -> str | None:
    """What the file holds, as a phrase, if it is empty or of a kind that its first bytes show; else None. Raises `OSError`."""
    with path.open("rb") as file:
        start = file.read(N_READ)
    if not start.removeprefix(b"\xef\xbb\xbf").strip():
        return "an empty file" if not start else "white space only"
    foreign = foreign_start(start)
    return None if foreign is None else foreign.what + foreign.note
