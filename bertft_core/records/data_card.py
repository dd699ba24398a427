"""The prepared data: what was found in them, and where their tokenised Arrow files are."""

from __future__ import annotations

from pydantic import Field

from bertft_core.config.base import Frozen
from bertft_core.records.run_spec import EncoderIdentity

CARD_VERSION = 3


class DataFinding(Frozen):
    """Something worth knowing about the data that does not stop the study."""

    check: str
    """Name of the check, such as 'overlap'; `report/prose/data_findings_text.py` has a sentence for each."""
    split: str
    count: int
    """Texts, words, labels, … that the check found."""
    numbers: dict[str, float] = {}
    """Further numbers by name, such as the largest class's count; empty in cards of version 1."""
    names: tuple[str, ...] = ()
    """Other splits, labels or schemes that are involved; empty in cards of version 1."""
    examples: tuple[str, ...] = ()
    """A few places or texts, shortened."""


class SplitOrigin(Frozen):
    """Where the examples of a split were read, and what was done with them."""

    path: str
    """File, hub split, or bundled data set and split."""
    cut_from_train: bool = False
    halved: bool = False
    subsampled_to: int | None = None
    """Examples that were kept, where not all were."""
    both_orders: bool = False
    """Every pair of texts is there a second time, in the other order."""
    extra: dict[str, int] = Field({}, exclude_if=lambda extra: not extra)
    """File → the further examples that were read from it."""


class SplitCard(Frozen):
    """One split after reading, splitting and tokenising."""

    n_examples: int
    n_windows: int | None = None
    """Windows that the inputs are split into; the number of examples where each is read whole."""
    label_counts: dict[str, int]
    """Label → examples, or words for tags; empty where there are no labels."""
    truncated_ratio: float
    """Share of inputs longer than max_length."""
    unknown_token_ratio: float
    """Share of tokens that are the unknown token."""
    mean_length: float
    """Mean input length in tokens, after truncation."""
    origin: SplitOrigin
    sha256: str
    """Of the canonical examples of this split."""
    constant_scores: dict[str, float] = {}
    """Metric → what the constant predictor scores here: the most frequent training label, the training mean, no answer."""


class ChainLink(Frozen):
    """An earlier study that a later one starts from."""

    study: str
    arm: str
    seed: int
    """Index of the seed whose kept model is used."""
    run_digest: str
    encoder: EncoderIdentity
    """What that run itself started from."""


class DatasetCard(Frozen):
    """Everything a run needs to know about its data."""

    version: int = CARD_VERSION
    name: str
    source: str
    """bundled, files or hub."""
    fingerprint: str
    """SHA-256 of examples, splits, labels, tokenizer and max_length: the data's identity."""
    directory: str
    """Folder that holds `<split>.arrow` and `card.json`."""
    encoder: EncoderIdentity
    encoder_dir: str
    """Folder of the encoder's files, in the transformers format."""
    chain: tuple[ChainLink, ...] = ()
    """The earlier studies that the encoder comes from, oldest first; empty for a checkpoint or a folder."""
    new_parts: tuple[str, ...] = ()
    """Modules of the model that the encoder does not have, drawn from each run's init stream; not known for an older card."""
    unused_parts: tuple[str, ...] = ()
    """Modules of the encoder's files, such as a head, that the model does not take over."""
    labels: tuple[str, ...]
    max_length: int
    splits: dict[str, SplitCard]
    """train, validation, maybe test, and the out-of-domain sets."""
    findings: tuple[DataFinding, ...] = ()
    arms: dict[str, DatasetCard] = Field({}, exclude_if=lambda arms: not arms)
    """Arm → the card of its own encoder, head and data; arms that change none of these have the study's."""

    def of_arm(self, arm: str) -> DatasetCard:
        """The card of the data as one arm reads them."""
        return self.arms.get(arm, self)

    @property
    def every(self) -> tuple[DatasetCard, ...]:
        """The card and those of arms that have their own."""
        return (self, *self.arms.values())

    @property
    def replaced_parts(self) -> tuple[str, ...]:
        """Modules that the encoder has and that are drawn anew all the same: the head of an earlier fine-tuning."""
        return tuple(name for name in self.new_parts if name in self.unused_parts)

    @property
    def lineage(self) -> tuple[str, ...]:
        """Every encoder on the way to this study, from the first checkpoint to the one that it starts from."""
        return (*(link.encoder.checkpoint for link in self.chain), self.encoder.checkpoint)

    @property
    def evaluated_splits(self) -> tuple[str, ...]:
        """Every split but the training set: validation first, then test, then the others by name."""
        order = {"validation": 0, "test": 1}
        return tuple(sorted((s for s in self.splits if s != "train"), key=lambda s: (order.get(s, 2), s)))
