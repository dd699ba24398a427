"""The data guide shows files that are read and messages that are given, and knows every source, format and check."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from bertft_core import data as data_package
from bertft_core.config import UserError, load_study
from bertft_core.config.data_settings import FileFormat
from bertft_core.config.yaml_text import read_yaml
from bertft_core.data import data_findings, tokenizer_findings
from bertft_core.data.alignment import masked_lm, question_answering, regression
from bertft_core.data.bundled import BUNDLED
from bertft_core.data.prepare_study_data import prepare_data
from bertft_core.data.readers import ENDINGS, READERS
from bertft_core.data.readers.file_options import HEAD_OF_FORMAT
from bertft_core.data.sources import read_splits
from tests.helpers.markdown import ROOT, Block, blocks

GUIDE = ROOT / "docs" / "guides" / "your-data.md"
TEXT = GUIDE.read_text(encoding="utf-8")
MESSAGES_FROM = TEXT.count("\n", 0, TEXT.index("\n## Messages")) + 1
ALL = blocks(GUIDE)
STUDIES = {  # name of the training file → the study that reads it
    Path(values["data"]["train"]).name: block
    for block in ALL
    if block.language == "yaml" and (values := read_yaml(block.text, str(GUIDE))[0])["data"]["source"] == "files"
}
MISTAKES = [(ALL[i - 1], block) for i, block in enumerate(ALL) if block.language == "text"]
SAMPLES = [block for block in ALL if block.language not in ("yaml", "text") and block.line < MESSAGES_FROM]
FORMATS = {row[0]: row[1:] for row in re.findall(r"^\| `(\w+)` \| (`\.[^|]*) \| ([^|]*) \|", TEXT, re.MULTILINE)}
CHECKED = TEXT.partition("\n## What is checked\n")[2].partition("\n## ")[0]


def study_of(block: Block, folder: Path) -> Path:
    """The block in a file as the guide's study for its format names it, and that study beside it."""
    name, study = next((name, study) for name, study in STUDIES.items() if name.endswith(f".{block.language}"))
    (folder / name).write_text(block.text, encoding="utf-8")
    path = folder / "study.yaml"
    path.write_text(study.text, encoding="utf-8")
    return path


def message_of(block: Block, folder: Path) -> str:
    """What preparing the file gives, paths without the folder."""
    with pytest.raises(UserError) as caught:
        prepare_data(load_study(study_of(block, folder)), home_dir=folder / "home")
    return str(caught.value).replace(f"{folder.resolve()}/", "") + "\n"


def test_the_guide_shows_files_and_mistakes():
    assert len(STUDIES) == 10
    assert len(SAMPLES) >= 6
    assert len(MISTAKES) >= 10
    assert all(block.line > MESSAGES_FROM for block, _ in MISTAKES)


@pytest.mark.parametrize("sample", SAMPLES, ids=[f"{block.language}, line {block.line}" for block in SAMPLES])
def test_a_file_in_the_guide_is_read(sample: Block, tmp_path):
    study = load_study(study_of(sample, tmp_path))
    examples = read_splits(study.data, study.head.kind)["train"].examples
    assert len(examples) >= (1 if sample.language == "conllu" else 2)


@pytest.mark.parametrize(("file", "message"), MISTAKES, ids=[f"line {file.line}" for file, _ in MISTAKES])
def test_a_mistake_gives_the_message_in_the_guide(file: Block, message: Block, tmp_path):
    assert message_of(file, tmp_path) == message.text


def test_every_format_is_described_with_its_endings_and_heads():
    shown = {ending: name for name, (endings, _) in FORMATS.items() for ending in re.findall("`([^`]+)`", endings)}
    assert shown == ENDINGS
    assert set(FORMATS) == set(READERS) == set(get_args(FileFormat))
    assert {name: heads for name, (_, heads) in FORMATS.items() if heads != "all"} == HEAD_OF_FORMAT


def test_every_bundled_set_is_described():
    assert set(re.findall(r"^\| \[(\w+)\]\(\.\./\.\./bertft_core/data/bundled/\1/CARD\.md\)", TEXT, re.MULTILINE)) == set(BUNDLED)


def test_every_finding_is_described():
    sources = [path.read_text(encoding="utf-8") for path in Path(data_package.__path__[0]).rglob("*.py")]
    made = {name for source in sources for name in re.findall(r'check="(\w+)"', source)}
    shown = set(re.findall(r"^\| `(\w+)` \|", CHECKED, re.MULTILINE))
    assert len(made) >= 17
    assert made - shown == set()
    assert [name for name in shown if not any(f'"{name}"' in source for source in sources)] == []


def test_the_limits_of_the_checks_are_those_of_the_guide():
    assert f"more than {data_findings.MAX_CLASS_RATIO:.0f} times" in CHECKED
    assert f"more than {data_findings.MAX_TRUNCATED_RATIO:.0%} of a split are longer".replace("%", " %") in CHECKED
    assert f"more than {tokenizer_findings.MAX_UNKNOWN_RATIO:.0%} of a split's tokens".replace("%", " %") in CHECKED
    assert f"fewer than {data_findings.MIN_CHARACTERS} letters" in CHECKED
    assert f"more than {regression.MAX_IQRS:.0f} interquartile ranges" in CHECKED
    assert f"by more than {100 * question_answering.UNEQUAL_SHARES:.0f} points" in CHECKED
    assert f"more than {masked_lm.MANY_BLOCKS} blocks each" in CHECKED
