"""The beginning of an example's text, where the prepared data are still at hand: what tables of examples show."""

import pyarrow as pa

from bertft_core.data.examples import shorten
from bertft_core.data.prepared_split import PreparedSplit, open_split
from bertft_core.records import DatasetCard

TEXT_LENGTH = 120


class ExampleTexts:
    """The texts of one split; of a split design, those of all its splits: which texts a part has depends on the run."""

    def __init__(self, card: DatasetCard, split: str) -> None:
        self._card, self._name = card, split
        self._unread = [each.directory for each in card.draws or (card,)]
        self._places: dict[str, tuple[PreparedSplit, int]] = {}

    def hint(self, example_id: str) -> str | None:
        """The beginning of the text, or of both texts; None where it is not at hand."""
        texts = self._texts(example_id)
        return shorten(" ‖ ".join(texts), TEXT_LENGTH) if texts else None

    def label(self, example_id: str) -> str | None:
        """The label, where an example has one and it is at hand."""
        place = self._place(example_id)
        if place is None or "label" not in place[0].table.column_names:
            return None
        split, row = place
        return self._card.labels[split.labels[row]] if pa.types.is_integer(split.table["label"].type) else None

    def word(self, example_id: str, position: int) -> str | None:
        """A word of a sentence, counted from 0; None where it is not at hand."""
        words = "".join(self._texts(example_id)).split(" ")
        return words[position] if position < len(words) and words[position] else None

    def _texts(self, example_id: str) -> tuple[str, ...]:
        place = self._place(example_id)
        return () if place is None else place[0].texts(place[1])

    def _place(self, example_id: str) -> tuple[PreparedSplit, int] | None:
        """Where an example is; no more folders are read than needed to find it."""
        while example_id not in self._places and self._unread:
            self._read(self._unread.pop(0))
        return self._places.get(example_id)

    def _read(self, directory: str) -> None:
        try:
            split = open_split(directory, self._name)
        except (OSError, pa.ArrowInvalid):
            return
        self._places |= {name: (split, row) for row, name in enumerate(split.example_ids) if name not in self._places}
