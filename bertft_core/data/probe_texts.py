"""The plain texts of the masked-LM probe, and the digest of a study's probes."""

from pathlib import Path

from bertft_core.config.base import digest_of
from bertft_core.config.probe_settings import MaskedLMProbe, ProbesConfig, is_text_file
from bertft_core.data.bundled import bundled_files
from bertft_core.data.cells import text_of
from bertft_core.data.examples import Example, SourceLocation
from bertft_core.data.readers import read_text
from bertft_core.data.readers.file_options import NO_KEYS
from bertft_core.data.readers.file_text import no_file

PROBES_VERSION = 1
"""Part of the digest: raise it when the same probes would be computed differently."""
UNSEEN = ("validation", "test")
"""Splits of a bundled set to read: a study may have been pre-trained on its training texts."""


def read_probe_texts(probe: MaskedLMProbe) -> tuple[Example, ...]:
    """The first `n_texts` paragraphs, named only by their position, so that the same texts always have the same masks.

    Raises `UserError` for a file that is missing, empty or not text.
    """
    paragraphs = [(path, line, cells) for path in _paths(probe.text) for line, cells in read_text(path, options=NO_KEYS)]
    return tuple(
        Example(f"probe-{position:05d}", (text_of(cells[0], "text", SourceLocation(str(path), line)),), None, line)
        for position, (path, line, cells) in enumerate(paragraphs[: probe.n_texts])
    )


def _paths(text: str) -> list[Path]:
    if not is_text_file(text):
        files = bundled_files(text)
        return [files[split] for split in UNSEEN]
    path = Path(text)
    if not path.is_file():
        raise no_file(path, "a text file to probe with", "check the path in probes.masked_lm.text")
    return [path]


def probes_digest(probes: ProbesConfig) -> str:
    """SHA-256 of the probes of a saved model, with the texts themselves in place of their path. Raises `UserError` as above."""
    texts = None
    if probes.masked_lm is not None:
        texts = [example.texts[0] for example in read_probe_texts(probes.masked_lm)]
    asked = probes.model_dump(mode="json", include={"masked_lm": {"put_back"}, "drift": True, "similarity": True})
    return digest_of({"version": PROBES_VERSION, "texts": texts, **asked})
