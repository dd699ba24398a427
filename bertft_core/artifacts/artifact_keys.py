"""Keys of artifacts: content and identity, never a place or a name."""

from collections.abc import Mapping

from bertft_core.config.base import digest_of


def data_key(fingerprint: str) -> str:
    """Of tokenised splits."""
    return f"data/{fingerprint}"


def encoder_key(weights_sha256: str, others: Mapping[str, str]) -> str:
    """Of an encoder: its weights, and name → SHA-256 of its other files, which are its configuration and its tokenizer."""
    return f"encoder/{weights_sha256}-{digest_of(dict(others))[:16]}"


def state_key(run_digest: str) -> str:
    """Of the newest state of a run that has not ended; each takes the place of the one before."""
    return f"state/{run_digest}"


def run_key(run_digest: str) -> str:
    """Of what a finished run has left, until the study's own folder has it."""
    return f"run/{run_digest}"


def model_key(run_digest: str) -> str:
    """Of a run's saved model, while it is probed."""
    return f"model/{run_digest}"


def probes_key(run_digest: str) -> str:
    """Of what the probes have found in the model of a run."""
    return f"probes/{run_digest}"


def mail_key(run_digest: str, attempt: str) -> str:
    """Of what a study and a node tell each other about a run, in one attempt at it."""
    return f"mail/{run_digest}/{attempt}"
