"""How a file is read apart from its format: its encoding, whether it names its columns, and how much of it is read."""

from dataclasses import dataclass

from bertft_core.config.data_settings import MAX_GIB, MAX_ROWS, DataConfig, FileData

LINES_PER_ROW = 20
"""A file of words, or of lines in paragraphs, may have so many more lines than sentences or paragraphs."""
WHOLE_RATIO = 8
"""A format that is parsed as a whole (JSON) needs several times its size in memory, so its files may be so many times smaller."""


@dataclass(frozen=True, slots=True)
class FileOptions:
    """The settings of `data` that readers share; those of a format that has no use for one are ignored by the others."""

    encoding: str = "utf-8"
    header: bool = True
    """Whether the first row of CSV or TSV names the columns."""
    columns: tuple[str, ...] = ()
    """Their names where it does not."""
    delimiter: str | None = None
    quoting: str | None = None
    max_bytes: int = int(MAX_GIB * 2**30)
    """Of one file, decompressed."""
    max_rows: int = MAX_ROWS
    head: str | None = None
    """The kind of the head that the file is read for: hints name only what it reads; None where any may be chosen."""
    keys: bool = True
    """Whether keys of `data` say how this file is read, so that hints may name them."""

    def hint(self, with_keys: str, without: str) -> str:
        """What to do, where hints may name keys of `data` and where they may not."""
        return with_keys if self.keys else without


DEFAULTS = FileOptions()
NO_KEYS = FileOptions(keys=False)
"""Of files that no key of `data` is about, such as the texts of probes."""
HEAD_OF_FORMAT = {
    "conll": "token_classification",
    "conllu": "token_classification",
    "squad": "question_answering",
    "text": "masked_lm",
}
"""Format → the only kind of head that reads it; every head reads tables."""


def options_of(data: DataConfig, head: str | None = None) -> FileOptions:
    """The options of a study's files for a kind of head; the defaults for other sources, which have no such keys."""
    if not isinstance(data, FileData):
        return NO_KEYS
    return FileOptions(
        encoding=data.encoding,
        header=data.header,
        columns=data.columns or (),
        delimiter=data.delimiter,
        quoting=data.quoting,
        max_bytes=int(data.max_gib * 2**30),
        max_rows=data.max_rows,
        head=head,
    )
