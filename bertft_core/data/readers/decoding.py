"""From bytes to text in the encoding that the user named; an encoding is never guessed, only suggested."""

import codecs
from collections.abc import Iterable, Iterator
from pathlib import Path

from bertft_core.config import UserError
from bertft_core.data.readers.file_options import FileOptions
from bertft_core.storage.foreign_content import foreign_start

MARK = "\ufeff"
GZIP_START = b"\x1f\x8b"
WIDE_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as that of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
WESTERN_RATIO = 0.3
"""Text in a Western language has fewer bytes beyond ASCII than this; in other scripts most bytes are."""
N_LOOKED_AT = 4096
WESTERN = ("cp1252", "latin-1")


def decoded(chunks: Iterable[bytes], path: Path, options: FileOptions) -> Iterator[str]:
    """The text of the pieces without a byte-order mark; bytes that are not of this encoding are a `UserError` with their line."""
    encoding = options.encoding
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    n_ends, is_start, chunk = 0, True, b""
    try:
        for chunk in chunks:
            if is_start:
                _refuse_wide(chunk, path, options)
                _refuse_narrow(chunk, path, options)
            text = decoder.decode(chunk)
            n_ends += text.count("\n")
            yield text.removeprefix(MARK) if is_start else text
            is_start = is_start and not text
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        content = error.object
        before = content[: error.start].decode(encoding, "ignore").count("\n")
        byte = content[error.start : error.start + 1].hex()
        found = f"byte 0x{byte}, {error.reason}"
        raise _undecodable(path, options, n_ends + before + 1, found, content, error.start, piece=chunk) from None
    except UnicodeError as error:  # such as UTF-16 without its mark
        raise _undecodable(path, options, n_ends + 1, str(error), chunk, 0) from None


def _refuse_wide(start: bytes, path: Path, options: FileOptions) -> None:
    """ASCII in UTF-16 without its mark is valid UTF-8: a NUL at every other byte."""
    head = start[:N_LOOKED_AT]
    if codecs.lookup(options.encoding).name.startswith(("utf-16", "utf-32")) or len(head) < 4:
        return
    for offset, named in ((1, "utf-16-le"), (0, "utf-16-be")):
        half, other = head[offset::2], head[1 - offset :: 2]
        if half.count(0) > 0.9 * len(half) and other.count(0) < 0.1 * len(other):
            likely = f"likely {encoding_by_mark(head) or named}"
            raise _undecodable(path, options, 1, "a NUL at every other byte", head, 0, likely)


def _refuse_narrow(start: bytes, path: Path, options: FileOptions) -> None:
    """Some encodings of other letters than ASCII's, such as EBCDIC, read every text of UTF-8 as another one."""
    if not _has_ascii(options.encoding) and start and _is_utf8(start):
        raise _undecodable(path, options, 1, "text in UTF-8", start, 0)


def _has_ascii(encoding: str) -> bool:
    try:
        return b"text,label\n".decode(encoding) == "text,label\n"
    except UnicodeError:
        return False


def _is_utf8(content: bytes) -> bool:
    """Whether a piece of a file, which may begin and end within a character, is text in UTF-8."""
    whole = content.lstrip(bytes(range(0x80, 0xC0)))
    try:
        return "\0" not in codecs.getincrementaldecoder("utf-8")("strict").decode(whole)
    except UnicodeDecodeError:
        return False


def _undecodable(
    path: Path,
    options: FileOptions,
    line: int,
    found: str,
    content: bytes,
    start: int,
    likely: str | None = None,
    piece: bytes = b"",
) -> UserError:
    foreign = foreign_start(content)
    name = "UTF-8" if codecs.lookup(options.encoding).name == "utf-8" else options.encoding
    key = options.hint(f"set data.encoding, {likely or _likely(content, start)}, or ", "")
    hint = f"{key}save the file as {'UTF-8' if key else name} (for example with iconv)"
    if name != "UTF-8" and content and _is_utf8(piece or content):
        hint = options.hint("the file seems to be in UTF-8: remove data.encoding", hint)
    return UserError(
        f"the file is not {name}",
        code="file.wrong-encoding",
        path=path,
        line=line,
        found=found if foreign is None else foreign.what,
        expected=f"text in {name}",
        hint=hint if foreign is None else foreign.remedy,
    )


def _likely(content: bytes, start: int) -> str:
    """Encodings to try, by the marks and by the share of bytes beyond ASCII around the first bad one."""
    marked = encoding_by_mark(content)
    if marked is not None:
        return f"likely {marked}"
    if _is_western(content[max(0, start - N_LOOKED_AT // 2) : start + N_LOOKED_AT // 2]):
        return "likely cp1252 (Western Windows) or latin-1"
    return "perhaps cp1251 (Cyrillic), gb18030 (Chinese), shift_jis (Japanese) or euc_kr (Korean)"


def _is_western(near: bytes) -> bool:
    return sum(byte > 127 for byte in near) <= WESTERN_RATIO * len(near)


def likely_encodings(chunks: Iterable[bytes]) -> tuple[str, ...]:
    """What the hint of a refusal names as likely, the likeliest first; nothing where it names only possible ones."""
    for number, chunk in enumerate(chunks):
        marked = encoding_by_mark(chunk) if number == 0 else None
        if marked is not None:
            return (marked,)
        high = next((position for position, byte in enumerate(chunk) if byte > 127), None)
        if high is not None:
            near = chunk[max(0, high - N_LOOKED_AT // 2) : high + N_LOOKED_AT // 2]
            return WESTERN if _is_western(near) else ()
    return ()


def encoding_by_mark(content: bytes) -> str | None:
    """The encoding whose byte-order mark begins the content, apart from UTF-8."""
    return next((encoding for mark, encoding in WIDE_MARKS if content.startswith(mark)), None)
