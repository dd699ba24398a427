"""Where the examples come from and how they are split."""

import codecs
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from bertft_core.config.base import DELIMITER_PATTERN, LARGEST, Frozen, left_out_if, misplaced, wrong_value

FileFormat = Literal["csv", "tsv", "jsonl", "parquet", "conll", "conllu", "squad", "text"]
TABLES = ("csv", "tsv", "jsonl", "parquet")
"""Formats that every head reads."""
TagScheme = Literal["iob1", "iob2", "iobes", "io", "plain"]
TrainScheme = Literal["iob2", "iobes", "io"]
Ratio = Annotated[float, Field(gt=0.0, lt=1.0)]

RESERVED_SPLITS = ("train", "validation", "test")


def _usable_names(sets: dict[str, str]) -> dict[str, str]:
    for name in sets:
        if name in RESERVED_SPLITS or not name.replace("_", "").isalnum():
            reserved = ", ".join(RESERVED_SPLITS)
            hint = f"use letters, digits and '_' only, and none of the names {reserved}"
            raise misplaced((name,), "no set can have this name", hint)
    return sets


OutOfDomain = Annotated[dict[str, str], AfterValidator(_usable_names)]


def _text_encoding(name: str) -> str:
    try:
        known = codecs.lookup(name)
        known.incrementaldecoder(errors="strict").decode(b"a").encode()
    except (LookupError, TypeError, AttributeError, UnicodeError, ValueError):
        raise misplaced(
            (), f"Python has no text encoding '{name}'", "use utf-8, cp1252, latin-1, utf-16 or another one"
        ) from None
    return name


Encoding = Annotated[str, AfterValidator(_text_encoding)]
Delimiter = Annotated[str, Field(pattern=DELIMITER_PATTERN)]
TABLE_KEYS = ("header", "columns", "delimiter", "quoting")
"""Keys of files that only CSV and TSV have a use for."""
READING_KEYS = (*TABLE_KEYS, "encoding", "max_gib", "max_rows")
"""Keys of files that say how they are read, whatever the head."""
MAX_GIB = 0.5
MAX_ROWS = 1_000_000
"""With texts of usual length, the examples of a file of this size take one to two GiB of memory."""


NEAR_DUPLICATES = "near_duplicates"
"""As `data.split.group`: chains of near-duplicates stay together."""


class SplitConfig(Frozen):
    """How missing splits are cut from the training set: stratified by label, seeded by the study's `split` stream."""

    validation_ratio: Ratio = 0.2
    test_ratio: Ratio | None = Field(None, description="Also cut a test set when the source has none; null cuts none.")
    halve_validation: bool = Field(
        False,
        exclude_if=left_out_if(False),
        description="When the source has no test set, half of the validation set becomes it (Zhang et al. 2021).",
    )
    group: str | None = Field(
        None,
        exclude_if=left_out_if(None),
        min_length=1,
        description="Column of the group (patient, document, author) of each example, or near_duplicates; a group is never in"
        " two splits.",
    )

    @property
    def group_column(self) -> str | None:
        """The column of the groups, where they are read from one."""
        return None if self.group == NEAR_DUPLICATES else self.group


class _Examples(Frozen):
    """What every source says about its examples."""

    text: str | tuple[str, str] = Field("text", description="Column of the text, or two columns for a sentence pair.")
    label: str | Annotated[tuple[str, ...], Field(min_length=2)] = Field(
        "label", description="Column of the label, or one column of 0 and 1 for each label."
    )
    labels: tuple[str, ...] | None = Field(
        None, description="The label names in order; by default the sorted labels of the training set."
    )
    label_separator: str = Field(
        ",", min_length=1, description="Separator of the labels in one cell (multi_label); not needed for a list."
    )
    symmetric: bool = Field(False, description="The order of a pair has no meaning: train on both orders.")
    empty_texts: Literal["refuse", "keep"] = Field(
        "refuse", description="When one text of a pair is empty: refuse the file, or keep the pair as it is."
    )
    tokens: str = Field("tokens", description="Column of the words; in CoNLL files its number from 0, by default the first.")
    tags: str = Field(
        "tags",
        description="Column of the tags; in CoNLL files its number, by default the last; in CoNLL-U its name.",
    )
    sentence: str | None = Field(
        None,
        exclude_if=left_out_if(None),
        description="Tables with one word per row: column of the sentence's number or name, which its rows share.",
    )
    scheme: TagScheme = Field("iob2", description="How the tags in the file mark entities; plain for tags that mark none.")
    train_scheme: TrainScheme | None = Field(
        None,
        description="Convert the tags to this scheme; null keeps theirs, except that iob1 becomes iob2.",
    )
    invalid_tags: Literal["repair", "refuse"] = Field(
        "repair", description="Tags that violate the scheme, such as I- after O: repair and count them, or refuse the file."
    )
    id: str | None = Field("id", description="Column of the question id; null numbers the questions.")
    question: str = Field("question", description="Column of the question.")
    context: str = Field("context", description="Column of the text that contains the answer.")
    answers: str = Field("answers", description="Column of the answers, each with its text and the position where it starts.")
    misplaced_answers: Literal["repair", "refuse"] = Field(
        "repair", description="An answer that is not at its answer_start: repair it if it occurs exactly once, or refuse."
    )
    max_question_length: int = Field(64, ge=1, le=8192, description="Longest question in tokens; see long_questions.")
    long_questions: Literal["refuse", "truncate", "drop"] = Field(
        "refuse",
        exclude_if=left_out_if("refuse"),
        description="A question longer than max_question_length: refuse the file, truncate it, or leave it out.",
    )
    text_unit: Literal["line", "paragraph", "document"] = Field(
        "paragraph", description="What a text file's examples are: its lines, its blocks between blank lines, or the whole file."
    )
    max_length: int = Field(128, ge=4, le=8192, description="Longest input in tokens, special tokens included.")
    long_texts: Literal["truncate", "windows"] = Field(
        "truncate", description="A text longer than max_length: truncate it, or read all of it in overlapping windows."
    )
    doc_stride: int | None = Field(
        None, ge=1, le=8192, description="Tokens that neighbouring windows share; by default a quarter of max_length."
    )
    split: SplitConfig = SplitConfig()
    subsample: dict[str, Annotated[int, Field(ge=2, le=LARGEST)]] = Field(
        default_factory=dict,
        description="Split name to the number of examples kept (stratified, seeded), at least one of each label.",
    )
    extra_train: tuple[str, ...] = Field(
        (),
        exclude_if=left_out_if(()),
        description="Files of further training examples, such as paraphrases; no split is cut from them.",
    )

    @field_validator("extra_train")
    @classmethod
    def _each_once(cls, files: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(files)) != len(files):
            raise wrong_value("extra_train names a file twice", "name each file once; oversampling repeats examples")
        return files

    @property
    def overlap(self) -> int:
        """`doc_stride` or its default, in tokens; in the shortest windows none are left to share."""
        return min(self.max_length // 4, self.max_length - 4) if self.doc_stride is None else self.doc_stride

    @field_validator("labels")
    @classmethod
    def _distinct(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None and (len(set(value)) != len(value) or len(value) < 2):
            raise wrong_value("labels must be at least two different names", "list each label once, or remove it")
        if value is not None and not all(name.strip() for name in value):
            raise wrong_value("the name of a label is empty", "write the names as they are in the data, or remove labels")
        return value


class BundledData(_Examples):
    """A data set that ships with bertft."""

    source: Literal["bundled"]
    name: str = Field(description="Name of the bundled data set, such as 'reviews'.")


class FileData(_Examples):
    """Local files, one for each split; the format follows from the file name unless `format` is given."""

    source: Literal["files"]
    train: str
    validation: str | None = None
    test: str | None = None
    out_of_domain: OutOfDomain = Field(default_factory=dict, description="Name to file: sets that are only evaluated.")
    format: FileFormat | None = None
    encoding: Encoding = Field(
        "utf-8", exclude_if=left_out_if("utf-8"), description="Encoding of text files, such as cp1252 or utf-16."
    )
    header: bool = Field(True, exclude_if=left_out_if(True), description="CSV, TSV: whether the first row names the columns.")
    columns: tuple[str, ...] | None = Field(
        None, exclude_if=left_out_if(None), min_length=1, description="CSV, TSV without a header: names of all columns."
    )
    delimiter: Delimiter | None = Field(
        None, exclude_if=left_out_if(None), description="CSV, TSV: the character between cells; null is the format's own."
    )
    quoting: Literal["double", "none"] | None = Field(
        None,
        exclude_if=left_out_if(None),
        description="CSV, TSV: cells may be in double quotes, or quotes have no meaning; null is the format's own.",
    )
    max_gib: float = Field(
        MAX_GIB,
        exclude_if=left_out_if(MAX_GIB),
        gt=0.0,
        le=LARGEST,
        description="Largest file that is read, decompressed; a larger one is refused.",
    )
    max_rows: int = Field(
        MAX_ROWS,
        exclude_if=left_out_if(MAX_ROWS),
        ge=1,
        le=LARGEST,
        description="Most examples of a file; a longer file is refused.",
    )

    @property
    def split_files(self) -> dict[str, str]:
        """Split → its file, of the splits that have one."""
        named = {"train": self.train, "validation": self.validation, "test": self.test} | self.out_of_domain
        return {name: path for name, path in named.items() if path is not None}

    @model_validator(mode="after")
    def _columns_or_header(self) -> Self:
        if self.header and self.columns is not None:
            raise misplaced(("columns",), "it names the columns of files without a header", "remove it, or set header: false")
        if not self.header and self.columns is None:
            raise misplaced(("header",), "the columns of files without a header need names", "add columns, such as [label, text]")
        names = self.columns or ()
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise misplaced(("columns",), f"the name '{twice}' occurs twice", "give each column a name of its own")
        for key in TABLE_KEYS:
            if self.format not in (None, "csv", "tsv") and getattr(self, key) != FileData.model_fields[key].default:
                raise misplaced((key,), f"the format {self.format} has no use for it", "remove it, or change format")
        return self


class HubData(_Examples):
    """A data set of the Hugging Face hub."""

    source: Literal["hub"]
    name: str = Field(description="Name on the hub, such as 'nyu-mll/glue'.")
    config: str | None = Field(None, description="Configuration of the data set, such as 'sst2'.")
    revision: str | None = Field(None, description="Commit, tag or branch.")
    train: str = "train"
    validation: str | None = "validation"
    test: str | None = Field(None, description="Split on the hub with labelled test examples, if any.")
    out_of_domain: OutOfDomain = Field(default_factory=dict, description="Name to split: sets that are only evaluated.")
    max_rows: int = Field(
        MAX_ROWS,
        ge=1,
        le=LARGEST,
        exclude_if=left_out_if(MAX_ROWS),
        description="Most examples of a split; a longer split is refused.",
    )


DataConfig = Annotated[BundledData | FileData | HubData, Field(discriminator="source")]
