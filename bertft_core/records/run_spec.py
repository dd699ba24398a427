"""One run, fully resolved: nothing is left to decide."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal, Self

from pydantic import Field

from bertft_core.config.base import Frozen, digest_of, left_out_if
from bertft_core.config.head_settings import HeadConfig
from bertft_core.config.strategy_settings import Strategies
from bertft_core.config.training_settings import TrainingConfig
from bertft_core.records.compute import FIRST, Compute

SPEC_VERSION = 2

LEFT_OUT_OF_DIGEST = frozenset(
    {
        "study",
        "arm",
        "stage",
        "index",
        "split",
        "trial",
        "prepared_dir",
        "encoder_dir",
        "device",
        "checkpoint_every_seconds",
        "checkpoint_every_steps",
        "prune_below",
        "stop_at",
        "kept_of",
        "keep_model",
        "watch_gradients",
    }
)
"""Names, places and how a run is carried out: they do not change what it computes. The kind of device is in `compute`."""


class EncoderIdentity(Frozen):
    """The pre-trained weights, wherever they came from."""

    checkpoint: str
    revision: str | None
    weights_sha256: str
    settings_sha256: str | None = None
    """Of what else decides what the model computes: config.json, and extra parts of a head. None in older records.

    In no digest, or those of older studies would change: `tasks.same_encoder` refuses results of other settings instead.
    """

    @property
    def in_digests(self) -> EncoderIdentity:
        """What a digest knows of it."""
        return self.model_copy(update=dict.fromkeys(NOT_OF_ENCODER))


NOT_OF_ENCODER = {"settings_sha256": True}
"""What of an encoder's identity is left out of digests."""


NOT_OF_STRATEGY = {"text"}
"""What of a strategy is left out of digests: the path of a file, which `replayed_sha256` stands for."""


class SeedTriple(Frozen):
    """The independent streams of a run."""

    init: int
    order: int
    dropout: int
    examples: int | None = Field(None, exclude_if=left_out_if(None))
    """Of the subset that is trained on; None for the whole training set."""
    split: int | None = Field(None, exclude_if=left_out_if(None))
    """Of the run's own split in a split design; None where all runs have the same."""


class RunSpec(Frozen):
    """One arm with one seed triple."""

    version: int = SPEC_VERSION
    study: str
    arm: str
    stage: Literal["search", "seeds", "repeats"]
    index: int
    """Seed index, counted as in the config."""
    split: int | None = Field(None, exclude_if=left_out_if(None))
    """Which split of a split design, counted from 0."""
    trial: int | None = None
    """Trial number, in the search stage."""
    repeat: int = 0
    """The very same run once more, counted from 1; 0 is the run itself."""

    head: HeadConfig
    encoder: EncoderIdentity
    data_fingerprint: str
    labels: tuple[str, ...]
    metric: str
    training: TrainingConfig
    strategies: Strategies
    train_examples: int | None = Field(None, exclude_if=left_out_if(None))
    """Size of the subset of the training set that is trained on, drawn from `seeds.examples`; None for all of it."""
    replayed_sha256: str | None = Field(None, exclude_if=left_out_if(None))
    """Of the file that the strategy replay reads, which a digest knows instead of its path; None for other texts, or none."""
    seeds: SeedTriple
    threads: int
    compute: Compute = Field(FIRST, exclude_if=left_out_if(FIRST))
    """Kind of device and kernels, which are decided before runs are planned."""
    evaluated_splits: tuple[str, ...]
    """Splits whose predictions are kept; the search stage sees validation only."""

    prepared_dir: str
    encoder_dir: str
    device: str = "auto"
    """As it was asked for; what older records have instead of `compute`."""
    checkpoint_every_seconds: float = 60.0
    checkpoint_every_steps: int | None = None
    prune_below: dict[int, float] = {}
    """Evaluation number (from 0) to the validation metric under which the run is stopped as pruned."""
    stop_at: float | None = None
    """Share of the steps after which the run stops as pruned, its state kept: many start and the best go on."""
    kept_of: int | None = None
    """The run went on as one of the best of so many that had started: it is selected, and no sample of seeds."""
    watch_gradients: int = 0
    """First steps whose gradient norms are recorded layer by layer."""
    keep_model: bool = True
    """Save the fine-tuned model beside the record."""

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what decides the result: the run's identity."""
        return self._digest_without(set())

    @cached_property
    def setting_digest(self) -> str:
        """The digest without the seeds: the same for all seeds of one setting.

        Of a split design without the data of the run's own split too: the names of study and arm stand for the data of all.
        """
        if self.split is None:
            return self._digest_without({"seeds"})
        return digest_of([self.study, self.arm, self._digest_without({"seeds", "data_fingerprint"})])

    def _digest_without(self, more: set[str]) -> str:
        """A repeat computes what the run itself does, and is another run all the same."""
        names = LEFT_OUT_OF_DIGEST | more | (set() if self.repeat else {"repeat"})
        left_out: dict[str, Any] = dict.fromkeys(names, True) | {
            "encoder": NOT_OF_ENCODER,
            "strategies": {"__all__": NOT_OF_STRATEGY},
        }
        return digest_of(self.model_dump(mode="json", exclude=left_out))

    def model_copy(self, **how: Any) -> Self:
        """As pydantic's, but the copy finds its own digests: pydantic would hand on those already computed."""
        copy = super().model_copy(**how)
        for name in ("digest", "setting_digest"):
            copy.__dict__.pop(name, None)
        return copy

    @property
    def title(self) -> str:
        """How a person finds the run: `full · seed 003`, or with its trial in a search."""
        seed = f"search seed {self.index}" if self.stage == "search" else f"seed {self.index:03d}"
        seed = seed if self.split is None else f"split {self.split:02d} · {seed}"
        if self.repeat:
            return f"{self.arm} · {seed} · repeat {self.repeat}"
        return f"{self.arm} · {seed}" if self.trial is None else f"{self.arm} · trial {self.trial:03d} · {seed}"
