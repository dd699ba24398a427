"""The prepared data: what was found in them, and where their tokenised Arrow files are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import Field

from bertft_core.config.base import Frozen, left_out_if
from bertft_core.config.encoder_families import BatchLayout
from bertft_core.config.strategy_settings import OWN_TEXTS, AnyStrategy, replay_of
from bertft_core.records.run_spec import EncoderIdentity, RunSpec

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
    """File → the further examples that were read from it and are trained on."""
    extra_left_out: dict[str, int] = Field({}, exclude_if=lambda left_out: not left_out)
    """File → the further examples that were made from one that is not in train, and so are left out."""


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


class SearchedCard(Frozen):
    """The data as an arm reads them with one choice of its search."""

    arm: str
    settings: dict[str, bool | int | float | str]
    """Dotted key → value, of every searched setting that decides which encoder and data are read."""
    card: DatasetCard


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
    batches: BatchLayout | None = Field(None, exclude_if=left_out_if(None))
    """How texts of different lengths share a batch; not known for an older card."""
    by_hand: bool = Field(False, exclude_if=left_out_if(False))
    """The layers of the encoder can be computed by hand; not known for an older card."""
    labels: tuple[str, ...]
    max_length: int
    splits: dict[str, SplitCard]
    """train, validation, maybe test, and the out-of-domain sets."""
    findings: tuple[DataFinding, ...] = ()
    arms: dict[str, DatasetCard] = Field({}, exclude_if=lambda arms: not arms)
    """Arm → the card of its own encoder, head and data; arms that change none of these have the study's."""
    raw_texts: dict[str, str] = Field({}, exclude_if=lambda texts: not texts)
    """`text` of the strategy replay → SHA-256 of its paragraphs, for the files of all arms."""

    searched: tuple[SearchedCard, ...] = Field((), exclude_if=lambda searched: not searched)
    """Cards of the encoders, heads and data that searches can choose, where they are other than the arm's."""

    draws: tuple[DatasetCard, ...] = Field((), exclude_if=lambda draws: not draws)
    """Of a split design: the card of every split. The card itself is that of the first, with the findings of all examples."""

    n_drawn_from: int | None = Field(None, exclude_if=left_out_if(None))
    """Of a split design: the examples that its splits divide among them."""

    def of_split(self, split: int | None) -> DatasetCard:
        """The card of one split of a split design; itself where all runs have the same."""
        return self if split is None else self.draws[split]

    def of_arm(self, arm: str) -> DatasetCard:
        """The card of the data as one arm reads them."""
        return self.arms.get(arm, self)

    def decided(self, chosen: Mapping[str, Mapping[str, Any]]) -> DatasetCard:
        """The card of a study whose arms have settings that searches chose (arm → dotted settings)."""
        own = {each.arm: each.card for each in self.searched if each.settings.items() <= dict(chosen.get(each.arm, {})).items()}
        return self.model_copy(update={"arms": self.arms | own}) if own else self

    def of_run(self, spec: RunSpec) -> DatasetCard:
        """The card of the encoder and data of one run: that of its arm, or of what a search chose for it."""
        own = self.of_arm(spec.arm)
        alike = (each for each in (*own.draws, own, *self.every) if each.fingerprint == spec.data_fingerprint)
        return next((each for each in alike if each.encoder.in_digests == spec.encoder.in_digests), own)

    def with_texts(self, raw_texts: dict[str, str]) -> DatasetCard:
        """The card, and those of its splits, with the files that runs replay."""
        draws = tuple(draw.with_texts(raw_texts) for draw in self.draws)
        return self.model_copy(update={"raw_texts": raw_texts, "draws": draws})

    def replayed_sha256(self, strategies: Iterable[AnyStrategy]) -> str | None:
        """What identifies the file that runs with these strategies replay; None where they replay none."""
        replay = replay_of(strategies)
        return None if replay is None or replay.text == OWN_TEXTS else self.raw_texts[replay.text]

    @property
    def every(self) -> tuple[DatasetCard, ...]:
        """The card, those of arms that have their own, those of what searches can choose, and those of all their splits."""
        own = (self, *self.arms.values(), *(each.card for each in self.searched))
        return (*own, *(draw for card in own for draw in card.draws))

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
