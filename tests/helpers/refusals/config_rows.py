"""Refusals of configs: their YAML, `--set`, and the settings in them."""

import errno
import os
from pathlib import Path

import pytest

from bertft_core.config import load_study
from flows.cli.app import app
from tests.helpers.refusals.data_rows import TEXTS, study
from tests.helpers.refusals.refusal import Refusal, raising

CHECK = "check-data s.yaml"


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "s.yaml")
    app(["check-data", "s.yaml"], standalone_mode=False)


def _unreadable(folder: Path) -> None:
    (folder / "s.yaml").write_text(study())
    with pytest.MonkeyPatch.context() as patch:  # root may read every file
        patch.setattr(Path, "read_bytes", raising(PermissionError(errno.EACCES, "Permission denied")))
        load_study("s.yaml")


def _set(code: str, override: str, place: str | None = None) -> Refusal:
    """A valid study, refused for this override."""
    place = f"--set {override}" if place is None else place
    return Refusal(code, f"{CHECK} --set '{override}'", {"s.yaml": study(), "t.csv": TEXTS}, place)


def _yaml(code: str, text: str | bytes, line: int | None) -> Refusal:
    """A config that this text refuses."""
    return Refusal(code, CHECK, {"s.yaml": text}, "s.yaml" if line is None else f"s.yaml:{line}")


ROWS = (
    Refusal("config.no-such-file", "plan quickstrat", place="quickstrat"),
    Refusal("config.is-folder", CHECK, {"s.yaml/x": ""}, "s.yaml"),
    Refusal("config.is-special", call=_pipe, place="s.yaml"),
    Refusal("config.unreadable", call=_unreadable, place="s.yaml"),
    _yaml("config.empty", "# nothing\n", None),
    _yaml("config.file-too-large", "x" * 1_100_000, None),
    _yaml("config.utf-16", study().encode("utf-16"), 1),
    _yaml("config.wrong-encoding", (study() + "question: Wie heißt es?\n").encode("latin-1"), 6),
    _yaml("config.control-character", study() + 'question: "a\\0b"\n', 6),
    _yaml("config.no-mapping", "- name: s\n", 1),
    _yaml("config.not-yaml", "name: s\n data: 3\n", 2),
    _yaml("config.too-large", "a: &a [*a]\n", 1),
    _yaml("config.tag", "name: !!python/name:os.system s\n", 1),
    _yaml("config.duplicate-key", "name: s\nname: t\n", 2),
    _yaml("config.key-not-text", "name: s\n? [a]\n: 1\n", 2),
    _yaml("config.merge-key", "name: s\n<<: 3\n", 2),
    _yaml("config.unknown-key", study() + "seds: {n: 3}\n", 6),
    _yaml("config.shared-by-arms", "name: s\ndata: {source: bundled, name: reviews}\narms: {full: {metric: f1_macro}}\n", 3),
    _yaml("config.missing-key", "name: s\narms: {full: {}}\n", 1),
    _yaml("config.wrong-type", study() + "seeds: {n: many}\n", 6),
    _yaml("config.wrong-value", study(head="classifcation"), 3),
    _yaml("config.out-of-bounds", study() + "training: {learning_rate: 0}\n", 6),
    _yaml("config.settings-clash", study("train: t.csv, columns: [text, label]"), 4),
    _yaml("encoder.path-and-hub", study().replace("{path: encoder}", "{path: encoder, revision: v2}"), 2),
    _yaml("path.unusable", study(f"train: {'n' * 300}.csv"), 4),
    _yaml("path.address", study("train: 'https://example.org/train.csv'"), 4),
    _set("config.no-such-arm", "arms.ful.batch_size=8"),
    _set("config.override-misplaced", "name.x=3"),
    _set("config.override-without-value", "name"),
    _set("config.override-not-text", "name=a\udcff", "--set 'name=a\\udcff'"),
)
