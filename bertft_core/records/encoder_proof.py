"""What was found out about an encoder, so that it is found out once for each home and not by every command."""

from bertft_core.config.base import Frozen


class EncoderProof(Frozen):
    """What a check of the files found; stored only for files that fit."""

    key: str
    """SHA-256 of everything that was checked: if it changes, the check is repeated."""
    new_parts: tuple[str, ...]
    """Modules of the model that are drawn from the init stream."""
    unused_parts: tuple[str, ...]
    """Modules of the checkpoint that the model does not take over."""


class FirstStep(Frozen):
    """That one training step was tried with an encoder, a head and data; stored only where it worked."""

    key: str
    """SHA-256 of what was tried."""
