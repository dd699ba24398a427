"""What a command prints arrives, or an error says so: terminals of any encoding, readers that leave, full disks, closed files."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

SHOW = """
import sys
from flows.cli import app
app._guarded = lambda command: command()
app.app = lambda args, **more: print("±1 \N{SNOWMAN} \N{GRINNING FACE} done") or print("to stderr ±", file=sys.stderr) or 0
app.main(sys.argv[1:])
"""


def run(*words: str, stdout=subprocess.PIPE, **variables: str) -> subprocess.CompletedProcess[bytes]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"} | variables
    command = [sys.executable, "-c", SHOW, *words]
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, env=environment, check=False, timeout=120)


@pytest.mark.parametrize(
    ("encoding", "shown"), [("ascii", b"?1 ? ? done"), ("latin-1", b"\xb11 ? ? done"), ("utf-8", "±1 ☃ 😀 done".encode())]
)
def test_what_a_terminal_cannot_show_is_replaced(encoding, shown):
    ended = run(PYTHONIOENCODING=encoding)
    assert (ended.returncode, ended.stdout.strip()) == (0, shown)
    assert ended.stderr.startswith(b"to stderr")


def test_in_json_it_is_escaped():
    ended = run("--json", PYTHONIOENCODING="ascii")
    assert json.loads(b'"' + ended.stdout.strip() + b'"') == "±1 ☃ 😀 done"


@pytest.mark.parametrize("buffered", ["", "1"])
def test_a_reader_that_is_gone_ends_a_command_quietly(buffered):
    reading, writing = os.pipe()
    os.close(reading)
    ended = run(stdout=writing, PYTHONUNBUFFERED=buffered)
    os.close(writing)
    assert (ended.returncode, ended.stderr.decode()) == (141, "to stderr ±\n")


@pytest.mark.parametrize("buffered", ["", "1"])
def test_a_full_disk_behind_stdout_is_reported_with_code_2(buffered):
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        ended = run(stdout=full, PYTHONUNBUFFERED=buffered)
    assert ended.returncode == 2
    assert "standard output cannot be written: No space left on device" in ended.stderr.decode()
    assert "Traceback" not in ended.stderr.decode()


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_streams_that_are_closed_change_no_exit_code(closed):
    ended = subprocess.run(["sh", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, SHOW], capture_output=True, check=False)
    assert (ended.returncode, b"Traceback" in ended.stderr) == (0, False)
