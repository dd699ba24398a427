"""Work that a fork of this process shares, where a command has allowed it: two cores do it in half the time.

Both take the next item when they have done the last. What the fork finds comes back as text; what it has kept in memory besides
is lost with it. An item on which it fails is done here, and what goes wrong with it is raised here.
"""

import io
import json
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NoReturn, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
TURN_BYTES = 4
MOST_ITEMS = 1024
"""Of which each has a turn in a pipe of 64 KiB; there are tens, and of more each is done here."""
HARMLESS = ("first-sign",)
"""Threads that hold no lock which the fork would need."""

_is_allowed = False


@contextmanager
def second_process(*, allowed: bool) -> Iterator[None]:
    """For the block `in_two_processes` may fork: to be said by a command whose process does nothing else."""
    global _is_allowed
    before, _is_allowed = _is_allowed, allowed
    try:
        yield
    finally:
        _is_allowed = before


def in_two_processes(
    work: Callable[[Item], Result], items: Sequence[Item], write: Callable[[Result], str], read: Callable[[str], Result]
) -> list[Result]:
    """`work` of every item, in their order; `write` makes text of a result, of which `read` makes the same result again."""
    if not 1 < len(items) <= MOST_ITEMS or not _can_fork():
        return [work(item) for item in items]
    turns, turns_in = os.pipe()
    answers, answers_in = os.pipe()
    for turn in range(len(items)):
        os.write(turns_in, turn.to_bytes(TURN_BYTES, "big"))
    os.close(turns_in)
    process = _fork()
    if process == 0:
        _answer(lambda item: write(work(item)), items, turns, answers_in)
    os.close(answers_in)
    try:
        found = dict(_done(work, items, turns))
        found |= {turn: read(text) for turn, text in _read(answers).items()}
    finally:
        os.close(turns)
        os.close(answers)
        if process is not None:
            os.kill(process, signal.SIGKILL)  # it has answered, or nobody waits for it any more
            os.waitpid(process, 0)
    return [found[turn] if turn in found else work(item) for turn, item in enumerate(items)]


def _can_fork() -> bool:
    others = [thread for thread in threading.enumerate() if thread.name not in HARMLESS]
    return _is_allowed and sys.platform == "linux" and others == [threading.main_thread()]


def _fork() -> int | None:
    """None where the system has no room for another process: then all is done here."""
    with warnings.catch_warnings(), suppress(OSError):
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads; `_can_fork` knows them
        return os.fork()
    return None


def _done(work: Callable[[Item], Result], items: Sequence[Item], turns: int) -> Iterator[tuple[int, Result]]:
    """The items whose turns this process has drawn from the pipe, which both read until it is empty."""
    while turn := os.read(turns, TURN_BYTES):
        place = int.from_bytes(turn, "big")
        yield place, work(items[place])


def _answer(work: Callable[[Item], str], items: Sequence[Item], turns: int, answers: int) -> NoReturn:
    """The whole life of the fork. It says nothing and leaves what its parent has opened as it is."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        sys.stdout = sys.stderr = io.StringIO()  # a thread may have held the locks of the parent's: here nobody gives them back
        found = {}
        with suppress(Exception):  # the parent does this one again, and what is not drawn
            for turn, text in _done(work, items, turns):
                found[turn] = text
        with os.fdopen(answers, "w", encoding="utf-8") as file:
            json.dump(found, file)
    finally:
        os._exit(0)


def _read(answers: int) -> dict[int, str]:
    """What the fork has found; nothing where it died."""
    with os.fdopen(answers, encoding="utf-8", closefd=False) as file:
        content = file.read()
    try:
        return {int(turn): text for turn, text in json.loads(content).items()}
    except ValueError:
        return {}
