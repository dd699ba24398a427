"""The first sign of a command: within half a second on a terminal, gone before the first line, and nowhere else."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from tests.helpers.pseudo_terminal import OnTerminal, python_on_terminal

APP = [sys.executable, "-P", "-m", "flows.cli.app"]
SLOW = """
import sys
from flows.cli import first_sign
first_sign.begin({words!r})
from flows.cli.output import use_safe_output
use_safe_output(as_json=False)
sys.stdin.readline()
print("the answer")
sys.stdin.readline()
first_sign.stop()
print("the end")
"""
TURN = "⠋ bertft show …"


def test_it_turns_until_the_first_line_and_comes_back_where_nothing_is_said():
    slow = python_on_terminal(SLOW.format(words=["show", "claims"]))
    slow.until(TURN)
    slow.send("\n")
    said = slow.until("the answer")
    before = slow.raw.decode().partition("the answer")[0]
    assert before.endswith("\r\x1b[K"), "the line is empty before anything is written"
    slow.until_again(TURN.partition(" ")[2], after=len(said))
    slow.send("\n")
    assert slow.ended().rstrip().endswith("the end")


def test_it_is_there_within_half_a_second_of_pythons_start():
    """Python itself, site-packages and this helper take their time before; the clock of the sign is what can be kept."""
    from flows.cli import first_sign

    assert first_sign.FIRST_SECONDS + first_sign.TURN_SECONDS <= 0.5
    code = "import sys; before = set(sys.modules); import flows.cli.first_sign; print(len(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(loaded) < 40, "only small parts of the standard library"


def test_an_own_command_shows_it():
    command = OnTerminal([*APP, "list", "--home", "/nonexistent/home"])
    text = command.ended()
    assert command.process.returncode == 0
    assert "no studies in" in text
    assert "no studies in" in text.splitlines()[-1]


@pytest.mark.parametrize("words", [["show", "x", "--json"], ["show", "-q", "x"], ["--help"], []])
def test_where_only_the_answer_is_wanted_there_is_none(words):
    slow = python_on_terminal(SLOW.format(words=words))
    time_of_two_signs = time.monotonic() + 1.0
    while time.monotonic() < time_of_two_signs:
        slow.read_for(0.2)
    assert slow.raw == b""
    slow.send("\n\n")
    assert "bertft" not in slow.ended()


def test_in_a_pipe_there_is_none():
    code = SLOW.format(words=["show"])
    ended = subprocess.run([sys.executable, "-c", code], input="\n\n", capture_output=True, text=True, check=True)
    assert (ended.stdout, ended.stderr) == ("the answer\nthe end\n", "")


def test_a_terminal_without_such_letters_gets_plain_ones():
    slow = python_on_terminal(SLOW.format(words=["show"]), PYTHONIOENCODING="ascii")
    slow.until("| bertft show")
    slow.send("\n\n")
    slow.ended()
