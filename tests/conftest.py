"""For every test: which process runs it, and in which order, and what a process need not do."""

from __future__ import annotations

import gc
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from xdist.scheduler import LoadFileScheduling

# Several processes share the cores already, and threads that wait for each other spin: a small matrix product of a process
# with two threads takes up to fifteen times as long. Before numpy is imported; the product sets the threads of torch.
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).parent
WAITING, COMPUTING = ("flows", "docs"), ("contract", "gpu", "golden")
"""Folders of tests that wait for commands and servers, and of tests that keep a core busy.

Their files take turns, so that the cores are in use, and come before the short ones of all other folders.
"""
SHORT = 2
"""The kind of all other folders."""
SHARING = {
    "finished": ("commands", "compare", "damaged_studies", "kill_study", "run_command", "tracking"),
    "pretrained": ("earlier_study", "replay"),
    "diagnosed": ("diagnosis", "diagnosis_overrides"),
}
"""Studies of a session that take long to make → the files that use them: one process runs them all."""
TOGETHER = {f"test_{name}.py": fixture for fixture, names in SHARING.items() for name in names}


def pytest_configure() -> None:
    """Ctrl-C ends what the tests start, also where pytest itself runs as a background job, whose children would ignore it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    gc.disable()  # until everything is imported


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files of long tests come first, in turns, and of a kind those that wait for one fixture."""
    items.sort(key=lambda item: (_kind(item), item.path.name not in TOGETHER))
    files = list(dict.fromkeys((_kind(item), item.path) for item in items))
    turns = {path: [of for of, _ in files[:i]].count(kind) for i, (kind, path) in enumerate(files)}
    items.sort(key=lambda item: (_kind(item) == SHORT, turns[item.path]))


def _kind(item: pytest.Item) -> int:
    folder = item.path.relative_to(ROOT).parts[0]
    return next((i for i, folders in enumerate((WAITING, COMPUTING)) if folder in folders), SHORT)


def pytest_collection_finish() -> None:
    """What is imported by now stays: the garbage collector need not walk through it again and again."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)  # tests make many records that live as long as they do
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadFileScheduling | None:
    """`--dist loadfile`, with the files of a shared fixture as one."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return TOGETHER.get(file.rpartition("/")[2], file)

    return Scheduling(config, log)
