"""The configuration guide names every key of a study with its true default, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from bertft_core.config.head_settings import HeadConfig
from bertft_core.config.yaml_text import read_value
from tests.helpers.config_keys import SECTION, models_in, study_keys

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "configuration.md"
ROW = re.compile(r"^\| `([^`]+)` \| (?:`([^`]*)`|(required|section)?) ?\|", re.MULTILINE)
WORDS = {"required", SECTION}


def plain(key: str, default: str) -> tuple[str, str]:
    """A default as YAML reads it: 1e-08 and 1e-8 are the same number."""
    if default in WORDS:
        return key, default
    value = read_value(default or "null")
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return key, str(float(value) if is_number else value)


def documented_keys() -> list[tuple[str, str]]:
    rows = ROW.findall(GUIDE.read_text(encoding="utf-8"))
    return [plain(key, value or word) for key, value, word in rows]


def test_every_key_of_a_study_is_described_with_its_default():
    known = {plain(*pair) for pair in study_keys()}
    assert len(known) >= 80
    assert known - set(documented_keys()) == set(), "missing in the guide, or described with another default"
    assert set(documented_keys()) - known == set(), "described in the guide, but no key of a study"


def test_no_row_of_the_guide_escapes_the_comparison():
    text = GUIDE.read_text(encoding="utf-8")
    n_rows = sum(line.startswith("| `") for line in text.splitlines())
    assert n_rows == len(documented_keys()) >= 80


def test_the_metrics_of_every_head_are_named_in_order():
    shown = dict(re.findall(r"^\| (\w+) \| (.*) \|$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE))
    heads = [head for _, head in models_in(HeadConfig)]
    assert len(heads) >= 6
    for head in heads:
        assert shown[head.model_fields["kind"].default] == ", ".join(head.metrics)
