"""The data guide shows real messages and knows every source, format and check."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from bertft_core.config import UserError, load_study
from bertft_core.data import checks
from bertft_core.data.prepare import prepare_data
from bertft_core.data.readers import READERS
from tests.docs.markdown import ROOT, Block, blocks

GUIDE = ROOT / "docs" / "guides" / "your-data.md"
STUDY = blocks(GUIDE, "yaml")[0]
MISTAKES = list(zip(blocks(GUIDE, "csv"), blocks(GUIDE, "text"), strict=True))


def message_of(table: str, folder: Path) -> str:
    """What the first config of the guide gives with a file, paths without the folder."""
    (folder / "tickets.csv").write_text(table, encoding="utf-8")
    (folder / "tickets.yaml").write_text(STUDY.text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        prepare_data(load_study(folder / "tickets.yaml"), home_dir=folder / "home")
    return str(caught.value).replace(f"{folder.resolve()}/", "") + "\n"


def test_the_guide_shows_several_mistakes():
    assert len(MISTAKES) >= 6


@pytest.mark.parametrize(("table", "message"), MISTAKES, ids=[f"line {table.line}" for table, _ in MISTAKES])
def test_a_mistake_gives_the_message_in_the_guide(table: Block, message: Block, tmp_path):
    assert message_of(table.text, tmp_path) == message.text


def test_every_format_and_finding_is_told():
    text = GUIDE.read_text(encoding="utf-8")
    assert len(READERS) >= 4
    assert [name for name in READERS if f"`.{name}`" not in text] == []
    findings = set(re.findall(r'check="(\w+)"', inspect.getsource(checks)))
    assert len(findings) >= 7
    assert findings == set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))


def test_the_limits_of_the_checks_are_those_of_the_guide():
    text = GUIDE.read_text(encoding="utf-8")
    assert f"more than {checks.MAX_CLASS_RATIO:.0f} times" in text
    assert f"more than {checks.MAX_TRUNCATED_RATIO:.0%} of a split are longer".replace("%", " %") in text
    assert f"more than {checks.MAX_UNKNOWN_RATIO:.0%} of a split's word pieces".replace("%", " %") in text
    assert f"fewer than {checks.MIN_CHARACTERS} letters" in text
