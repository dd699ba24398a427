"""What a file holds when it is not what its name says: a page, a pointer, a pickle, nothing. Only its first bytes are read."""

from pathlib import Path

N_READ = 512
STARTS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "a pointer of Git LFS, not the file itself; `git lfs pull` fetches it"),
    (b"version https://hawser", "a pointer of Git LFS, not the file itself; `git lfs pull` fetches it"),
    (b"PK\x03\x04", "a zip archive, as torch.save writes it: it is pickled, which can execute code, and is never read"),
    (b"\x80", "a pickle, which can execute code and is never read"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"GGUF", "a GGUF file"),
    (b"\x89HDF", "an HDF5 file"),
)


def foreign_content(path: Path) -> str | None:
    """What the file holds, as a phrase, if it is empty or of a kind that its first bytes show; else None. Raises `OSError`."""
    with path.open("rb") as file:
        start = file.read(N_READ)
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if not text:
        return "an empty file" if not start else "white space only"
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return "a web page, such as a login or an error page"
    return next((what for begin, what in STARTS if start.startswith(begin)), None)
