"""The beginning of an example's text, where the prepared data are still at hand: what tables of examples show."""

from functools import cached_property

import pyarrow as pa

from bertft_core.data.examples import shorten
from bertft_core.data.prepared_split import PreparedSplit, open_split
from bertft_core.records import DatasetCard

TEXT_LENGTH = 120


class ExampleTexts:
    """The texts of one split."""

    def __init__(self, card: DatasetCard, split: str) -> None:
        self._card, self._name = card, split

    def hint(self, example_id: str) -> str | None:
        """The beginning of the text, or of both texts; None where it is not at hand."""
        texts = self._texts(example_id)
        return shorten(" ‖ ".join(texts), TEXT_LENGTH) if texts else None

    def label(self, example_id: str) -> str | None:
        """The label, where an example has one and it is at hand."""
        row, split = self._rows.get(example_id), self._split
        if split is None or row is None or "label" not in split.table.column_names:
            return None
        return self._card.labels[split.labels[row]] if pa.types.is_integer(split.table["label"].type) else None

    def word(self, example_id: str, position: int) -> str | None:
        """A word of a sentence, counted from 0; None where it is not at hand."""
        words = "".join(self._texts(example_id)).split(" ")
        return words[position] if position < len(words) and words[position] else None

    def _texts(self, example_id: str) -> tuple[str, ...]:
        row = self._rows.get(example_id)
        return () if self._split is None or row is None else self._split.texts(row)

    @cached_property
    def _split(self) -> PreparedSplit | None:
        try:
            return open_split(self._card.directory, self._name)
        except (OSError, pa.ArrowInvalid):
            return None

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {} if self._split is None else {name: row for row, name in enumerate(self._split.example_ids)}
