"""Hostile files for any reader: random bytes and damaged copies of good files, with the only two outcomes that are allowed.

A reader gives a result or a `UserError` with a code and a hint; in a child process also within memory and time.
"""

from __future__ import annotations

import importlib
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bertft_core.config import UserError
from tests.helpers.hypothesis_profile import FRAGMENTS

N_QUICK = 60
"""Inputs for each reader in `make test`."""
N_SLOW = 2000
"""Inputs for each reader in `make test-slow`."""
MAX_BYTES = 2 * 2**30
"""More than the process had before its first input."""
MAX_SECONDS = 10
"""For one input."""

SYNTAX = (
    *(b"\n", b"\r", b"\r\n", b"\n\n", b"\t", b",", b";", b" ", b'"', b'""', b"'", b"\\", b"|", b"#", b":", b"- ", b"&a ", b"*a"),
    *(b"{", b"}", b"[", b"]", b"[" * 2000, b'{"a":' * 500, b"null", b"NaN", b"-1", b"1e999", b"9" * 5000, b"0.5", b"true"),
    *(
        b"\x00",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\xed\xa0\x80",
        b"\\ud83d",
        b"\x1b[31m",
        b"\x1f\x8b",
        b"PK\x03\x04",
        b"PAR1",
    ),
)
"""What some format gives a meaning to."""

PIECES = st.one_of(st.sampled_from(SYNTAX), FRAGMENTS.map(str.encode), st.binary(max_size=8))
EDITS = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 40), PIECES), min_size=1, max_size=6)
"""Where (modulo the length), how many bytes go, and what takes their place."""


def files_like(*samples: bytes) -> st.SearchStrategy[bytes]:
    """Random files, and good ones with bytes cut, replaced, inserted or repeated."""
    damaged = st.builds(_edited, st.sampled_from(samples), EDITS)
    cut = st.builds(lambda sample, n: sample[: n % (len(sample) + 1)], st.sampled_from(samples), st.integers(0, 10**6))
    repeated = st.builds(lambda content, n: content * n, damaged, st.integers(2, 5))
    return st.one_of(damaged, damaged, cut, repeated, st.lists(PIECES, max_size=12).map(b"".join), st.binary(max_size=200))


def _edited(content: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    for position, n_cut, piece in edits:
        at = position % (len(content) + 1)
        content = content[:at] + piece + content[at + n_cut :]
    return content


def read_or_refused(read: Callable[[], object]) -> UserError | None:
    """None where the reader gave a result, or its refusal; any other error is raised."""
    refusal = None
    try:
        read()
    except UserError as error:
        refusal = error
    assert refusal is None or (refusal.code and refusal.hint), f"a refusal without a code or a hint: {refusal}"
    return refusal


def fuzz(read: Callable[[Path], object], path: Path, samples: tuple[bytes, ...], n: int = N_QUICK) -> None:
    """Write so many hostile files to `path`, one after another, and read each; the failing one remains there."""

    @settings(max_examples=n, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(files_like(*samples))
    def reads_or_refuses(content: bytes) -> None:
        path.write_bytes(content)
        signal.setitimer(signal.ITIMER_REAL, MAX_SECONDS)
        try:
            read_or_refused(lambda: read(path))
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    before = signal.signal(signal.SIGALRM, _too_slow)
    try:
        reads_or_refuses()
    finally:
        signal.signal(signal.SIGALRM, before)


def _too_slow(number: int, frame: object) -> NoReturn:
    raise TimeoutError(f"one input took more than {MAX_SECONDS} s")


def fuzz_in_child(module: str, function: str, *arguments: str | int | Path) -> None:
    """Call a function of a test module, which fuzzes, in a process with bounded memory; its failure is raised here."""
    imports = "from pathlib import PosixPath; from tests.helpers.fuzzing import call_bounded"
    code = f"{imports}; call_bounded({module!r}, {function!r}, *{arguments!r})"
    # A hang in C code, which no alarm interrupts, ends with the process.
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=1800)
    assert child.returncode == 0, child.stderr[-4000:]


def call_bounded(module: str, function: str, *arguments: str | int | Path) -> None:
    """Import first, then allow `MAX_BYTES` more address space and call."""
    called = getattr(importlib.import_module(module), function)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MAX_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    called(*arguments)
