"""The table of the guide that says which head works with which family of encoders: every cell is tried.

`python -m tests.helpers.family_table` writes it anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from bertft_core.config import UserError, encoder_families
from bertft_core.config.encoder_families import FAMILIES, SHARED_LAYERS
from bertft_core.heads.saved_model import load_model
from bertft_core.report.prose import batches_text
from bertft_core.training.run import train_run
from bertft_core.training.trial_step import prepare_and_try
from tests.helpers.every_strategy import HEADS as MAKERS
from tests.helpers.tiny_encoders import KINDS, NEWER_KINDS, PLAIN_KINDS
from tests.helpers.tiny_studies import tiny_spec, tiny_study

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "encoders.md"
HEADS = {"classification": MAKERS["classification"], "pairs": partial(tiny_study, pairs=True)} | MAKERS
TRIED = (*KINDS, *NEWER_KINDS, *PLAIN_KINDS)
NO, YES = "–", "yes"
COLUMNS = ("model_type", *HEADS, "layers", "batches")


def outcome(kind: str, head: str, folder: Path) -> str:
    """`YES` where a run of two steps gives a model that opens again, `NO` where the study is refused before anything trains.

    Any other error is one of this test.
    """
    try:
        study, card = HEADS[head](folder, kind=kind)
        prepare_and_try(study, home_dir=folder / "home")
    except UserError as refusal:
        if refusal.code not in ("encoder.no-such-head", "head.attention-unavailable"):
            raise
        return NO
    record = train_run(tiny_spec(study, card, epochs=None, max_steps=2), run_dir=folder / "run")
    assert record.error is None, (kind, head, record.error)
    assert record.status in ("ok", "collapsed"), record.status
    assert record.batches == card.batches == encoder_families.batches_of({"model_type": kind})
    assert all(torch.isfinite(values).all() for values in load_model(folder / "run" / "model").model.parameters())
    return YES


def layers_of(kind: str) -> str:
    """What strategies may do with the layers of a family."""
    if kind not in FAMILIES:
        return "as a whole"
    return "all share their weights" if kind == SHARED_LAYERS else "one by one"


def batches_of(kind: str) -> str:
    """How the texts of a batch are laid out."""
    return batches_text.NAMES[encoder_families.batches_of({"model_type": kind})]


def row(kind: str, heads: Iterable[str]) -> str:
    """A line of the table."""
    return f"| {' | '.join([f'`{kind}`', *heads, layers_of(kind), batches_of(kind)])} |"


def header() -> list[str]:
    """The first two lines of the table."""
    return [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]


def table_in_guide() -> list[str]:
    """The lines of the table."""
    return [line for line in GUIDE.read_text(encoding="utf-8").splitlines() if line.startswith("|")][: len(TRIED) + 2]


def _found(kind: str) -> list[str]:
    with TemporaryDirectory() as folder:
        return [outcome(kind, head, Path(folder) / head) for head in HEADS]


if __name__ == "__main__":
    lines = header() + [row(kind, _found(kind)) for kind in TRIED]
    text = GUIDE.read_text(encoding="utf-8")
    before, _, after = text.partition("| model_type |")
    GUIDE.write_text(before + "\n".join(lines) + "\n\n" + after.partition("\n\n")[2], encoding="utf-8")
