"""No data, key or name can steer the terminal: every command prints through one function."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from bertft_core.control_characters import CONTROL, visible
from flows.cli import app, terminal

CLI = Path(terminal.__file__).parent


@pytest.mark.parametrize("letter", ["\x1b", "\x07", "\x08", "\r", "\x7f", "\x9b", "\u202e", "\u2066", "\u200f", "\u2028"])
def test_a_control_character_is_shown_as_json_writes_it(letter):
    shown = visible(f"a{letter}b")
    assert shown == f"a\\u{ord(letter):04x}b"
    assert json.loads(f'"{shown}"') == f"a{letter}b"


def test_other_text_is_left_alone():
    text = "Größe 😀 日本語 שלום\n\ttab e\u0301 a\u200db"
    assert visible(text) == text


def test_a_refusal_of_a_hostile_key_reaches_the_terminal_escaped(tmp_path, capsys):
    config = tmp_path / "study.yaml"
    config.write_text('name: s\ndata: {source: bundled, name: reviews}\narms: {full: {}}\n"\\e[2J\\u202Eevil": 1\n')
    with pytest.raises(SystemExit) as ended:
        app.main(["plan", str(config)])
    err = capsys.readouterr().err
    assert ended.value.code == 2
    assert "\\u001b[2J\\u202eevil" in err
    assert not CONTROL.search(err)


def test_no_command_prints_past_it():
    files = [path for path in CLI.glob("*.py") if path.name != "terminal.py"]
    assert len(files) >= 20
    calls = [(path.name, node.lineno) for path in files for node in ast.walk(ast.parse(path.read_text()))
             if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"]  # fmt: skip
    assert calls == []
