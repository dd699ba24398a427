"""Raw texts that `replay` adds to the batches: read before anything runs, and tokenised beside the data of the arm.

The study's own texts need neither: they are the inputs of its training set.
"""

from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from bertft_core.config import StudyConfig, UserError
from bertft_core.config.base import digest_of
from bertft_core.config.data_settings import BundledData
from bertft_core.config.probe_settings import is_text_file
from bertft_core.config.strategy_settings import OWN_TEXTS, replay_of
from bertft_core.data.alignment import masked_lm
from bertft_core.data.arrow_storage import load_or_make
from bertft_core.data.bundled import bundled_files
from bertft_core.data.cells import text_of
from bertft_core.data.encoder_files import EncoderFiles
from bertft_core.data.examples import Example, SourceLocation
from bertft_core.data.prepared_split import PreparedSplit, open_split
from bertft_core.data.readers import read_text
from bertft_core.data.readers.file_options import NO_KEYS
from bertft_core.data.readers.file_text import no_file
from bertft_core.data.tokenization import load_tokenizer, uses_token_types
from bertft_core.records import DatasetCard
from bertft_core.storage.damage import Tell

SPLIT = "texts"


class RawTexts(NamedTuple):
    """The paragraphs of one file."""

    path: Path
    examples: tuple[Example, ...]

    @property
    def sha256(self) -> str:
        """Of the paragraphs in their order: what a run's digest knows of them."""
        return digest_of([example.texts[0] for example in self.examples])


def read_replayed(study: StudyConfig) -> dict[str, RawTexts]:
    """`text` of the strategy → its paragraphs, for every file that an arm, or what its search may choose, replays.

    Raises `UserError` for a file that is missing, empty or not text.
    """
    found: dict[str, RawTexts] = {}
    for arm, settings in study.tried_arms():
        replay = replay_of(study.decided({arm: settings}).arms[arm].strategies)
        if replay is not None and replay.text != OWN_TEXTS and replay.text not in found:
            found[replay.text] = _read(replay.text)
    return found


def _read(text: str) -> RawTexts:
    path = Path(text) if is_text_file(text) else bundled_files(text)["train"]
    if not path.is_file():
        raise no_file(path, "a text file to replay", "check the path in strategies.replay.text")
    rows = read_text(path, options=NO_KEYS)
    texts = [(line, text_of(cells[0], "text", SourceLocation(str(path), line))) for line, cells in rows]
    return RawTexts(path, tuple(Example(f"replay-{i:07d}", (each,), None, line) for i, (line, each) in enumerate(texts)))


def texts_dir(prepared_dir: str | Path, sha256: str) -> Path:
    """Where the tokens of replayed texts are, below the data folder of an arm."""
    return Path(prepared_dir) / f"replay-{sha256[:16]}"


def tokenise_replayed(texts: RawTexts, card: DatasetCard, tell: Tell) -> None:
    """Store the texts as the encoder of the card reads them. Raises `UserError` for texts it does not know."""
    encoder = EncoderFiles(Path(card.encoder_dir), card.encoder, "folder")
    blocks = BundledData(source="bundled", name="manuals", max_length=card.max_length)  # only its length is read

    def make() -> dict[str, pa.Table]:
        try:
            table = masked_lm.tokenise(load_tokenizer(encoder), texts.examples, (), blocks, uses_token_types(encoder))
        except UserError as error:  # tokenising only knows the line
            raise error.within(error.path or str(texts.path)) from None
        return {SPLIT: table}

    load_or_make(texts_dir(card.directory, texts.sha256), {SPLIT: len(texts.examples)}, make, tell)


def open_replayed(prepared_dir: str | Path, sha256: str | None, encoder: EncoderFiles, train: PreparedSplit) -> PreparedSplit:
    """The texts of a run: those of a file, or without a SHA-256 the inputs of its own training set."""
    if sha256 is not None:
        return open_split(texts_dir(prepared_dir, sha256), SPLIT)
    vocabulary = masked_lm.vocabulary_of(load_tokenizer(encoder))
    return PreparedSplit(train.table.replace_schema_metadata({**train.metadata, **vocabulary.as_metadata()}), "replay")
