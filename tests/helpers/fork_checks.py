"""What `two_processes` promises, checked in a process that has no other thread: beside pytest's nothing would be forked."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bertft_core.two_processes as module
from bertft_core.two_processes import in_two_processes, second_process

ITEMS = list(range(8))
HERE = os.getpid()
FORKS: list[int] = []


def count_forks() -> None:
    """Note every fork."""
    fork = module._fork

    def counted() -> int | None:
        process = fork()
        if process:
            FORKS.append(process)
        return process

    module._fork = counted


def by_whom(item: int) -> tuple[int, int]:
    time.sleep(0.05)
    return item, os.getpid()


def as_pair(text: str) -> tuple[int, int]:
    item, process = json.loads(text)
    return item, process


def none_is_left() -> bool:
    """No child of this process is there any more."""
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return True
    return False


def results_of_both_are_in_the_order_of_the_items() -> None:
    with second_process(allowed=True):
        found = in_two_processes(by_whom, ITEMS, json.dumps, as_pair)
    assert [item for item, _ in found] == ITEMS
    assert len({process for _, process in found}) == 2
    assert none_is_left()


def without_leave_nothing_is_forked() -> None:
    assert in_two_processes(by_whom, ITEMS, json.dumps, as_pair) == [(item, HERE) for item in ITEMS]
    assert FORKS == []


def _kills_the_fork(item: int) -> int:
    if os.getpid() != HERE:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.02)
    return item


def _raises_in_the_fork(item: int) -> int:
    if os.getpid() != HERE:
        raise ValueError(item)
    time.sleep(0.02)
    return item


def what_the_fork_leaves_undone_is_done_here() -> None:
    for work in (_kills_the_fork, _raises_in_the_fork):
        with second_process(allowed=True):
            assert in_two_processes(work, ITEMS, json.dumps, json.loads) == ITEMS
    assert len(FORKS) == 2


def what_cannot_be_sent_is_done_here() -> None:
    def cannot_be_sent(item: int) -> Callable[[], int]:
        time.sleep(0.02)
        return lambda: item

    with second_process(allowed=True):
        assert [found() for found in in_two_processes(cannot_be_sent, ITEMS, json.dumps, json.loads)] == ITEMS
    assert len(FORKS) == 1


def an_error_is_raised_here() -> None:
    def fails(item: int) -> int:
        time.sleep(0.01)
        if item == 5:
            raise ValueError("five")
        return item

    raised: list[Any] = []
    with second_process(allowed=True):
        try:
            in_two_processes(fails, ITEMS, json.dumps, json.loads)
        except ValueError as error:
            raised = list(error.args)
    assert raised == ["five"]
    assert len(FORKS) == 1
    assert none_is_left()


def a_report_is_the_one_that_one_process_writes() -> None:
    from bertft_core.storage.study_dir import StudyDir
    from flows.cli import show_commands
    from flows.cli.find_study import find_study
    from tests.helpers.evaluated_studies import make_results
    from tests.helpers.small_records import make_card

    home = Path(sys.argv[2])
    accuracies = {"base": [0.60, 0.64, 0.62], "better": [0.80, 0.82, 0.81], "close": [0.69, 0.61, 0.68]}
    make_results(home, accuracies, card=make_card(home, splits={"train": 80, "validation": 40, "test": 200}))
    written = []
    for cores in (1, 2):
        show_commands.usable_cores = lambda cores=cores: cores
        show_commands.rebuild_report(find_study("small", home))
        study_dir = StudyDir(home, "small")
        files = [*study_dir.report_dir.rglob("*"), study_dir.summary_path]
        written.append({path.name: path.read_bytes() for path in files if path.is_file()})
        assert bool(FORKS) == (cores == 2)
    assert written[0] == written[1]
    assert len(written[0]) > 10


CHECKS = (
    results_of_both_are_in_the_order_of_the_items,
    without_leave_nothing_is_forked,
    what_the_fork_leaves_undone_is_done_here,
    what_cannot_be_sent_is_done_here,
    an_error_is_raised_here,
    a_report_is_the_one_that_one_process_writes,
)


if __name__ == "__main__":
    count_forks()
    {check.__name__: check for check in CHECKS}[sys.argv[1]]()
