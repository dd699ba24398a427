"""Probes beside the score: what a run has forgotten, how far its weights moved, and how confident it is.

A probe never changes a run; it only reads what the run has saved.
"""

from pydantic import Field, field_validator

from bertft_core.config.base import LARGEST, Frozen, wrong_value

BUNDLED_TEXTS = ("manuals",)
"""Bundled sets that are plain text."""
TEXT_ENDINGS = (".txt", ".txt.gz")


class MaskedLMProbe(Frozen):
    """Masked language modelling before and after, under the masked-LM head of the checkpoint."""

    text: str = Field(
        "manuals",
        description="'manuals' for its validation and test texts, or the path of a .txt or .txt.gz file.",
    )
    n_texts: int = Field(100, ge=1, le=LARGEST, description="Number of paragraphs to read, from the start.")
    put_back: bool = Field(
        True, description="Also with the top k layers replaced by the pre-trained ones, for every k from 0 to all."
    )

    @field_validator("text")
    @classmethod
    def _names_a_text(cls, text: str) -> str:
        return known_text(text, BUNDLED_TEXTS)


class SimilarityProbe(Frozen):
    """Linear CKA of each layer's states before and after, on validation examples."""

    n_texts: int = Field(200, ge=4, le=LARGEST, description="Number of validation examples to read, evenly spread.")


class GradientsProbe(Frozen):
    """Gradient norm of each layer in the first steps."""

    steps: int = Field(20, ge=1, le=LARGEST, description="Optimizer steps, from the first one.")


class ProbesConfig(Frozen):
    """Forgetting and confidence of every run. Each part can be turned off with null or false."""

    masked_lm: MaskedLMProbe | None = MaskedLMProbe()
    drift: bool = Field(True, description="How far the weights of each layer moved from the pre-trained ones.")
    similarity: SimilarityProbe | None = SimilarityProbe()
    gradients: GradientsProbe | None = GradientsProbe()
    calibration: bool = Field(True, description="Whether the probabilities match how often predictions are right.")
    out_of_domain: bool = Field(True, description="The score on out-of-domain sets next to the in-domain score.")
    overfitting: bool = Field(True, description="Whether the validation loss rises after its minimum.")

    @property
    def needs_model(self) -> bool:
        """Whether any part needs the saved model of a run."""
        return self.masked_lm is not None or self.drift or self.similarity is not None


def is_text_file(text: str) -> bool:
    """Whether a `text` is the path of a text file."""
    return text.lower().endswith(TEXT_ENDINGS)


def known_text(text: str, names: tuple[str, ...]) -> str:
    """The same text, for a validator: one of these names, or the path of a text file."""
    if text not in names and not is_text_file(text):
        known = f"{', '.join(map(repr, names))} or a path that ends in {' or '.join(TEXT_ENDINGS)}"
        raise wrong_value(f"unknown text '{text}'; use {known}", "correct it")
    return text
