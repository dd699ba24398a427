"""Work that a fork shares: what it finds is as if this process had done all, whatever becomes of the fork."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable

import pytest

from bertft_core.statistics.blas_threads import _functions, one_blas_thread
from bertft_core.storage.study_dir import StudyDir
from bertft_core.two_processes import in_two_processes, second_process
from flows.cli.find_study import find_study
from flows.cli.show_commands import rebuild_report
from tests.helpers.evaluated_studies import make_results
from tests.helpers.small_records import make_card

ITEMS = list(range(8))
HERE = os.getpid()


def by_whom(item: int) -> tuple[int, int]:
    time.sleep(0.05)
    return item, os.getpid()


def as_pair(text: str) -> tuple[int, int]:
    item, process = json.loads(text)
    return item, process


def test_results_of_both_processes_are_in_the_order_of_the_items():
    with second_process(allowed=True):
        found = in_two_processes(by_whom, ITEMS, json.dumps, as_pair)
    assert [item for item, _ in found] == ITEMS
    assert len({process for _, process in found}) == 2
    with pytest.raises(ChildProcessError):  # none is left behind
        os.waitpid(-1, os.WNOHANG)


def test_without_leave_or_beside_another_thread_nothing_is_forked():
    assert in_two_processes(by_whom, ITEMS, json.dumps, as_pair) == [(item, HERE) for item in ITEMS]
    go_on = threading.Event()
    other = threading.Thread(target=go_on.wait, daemon=True)
    other.start()
    try:
        with second_process(allowed=True):
            assert in_two_processes(by_whom, ITEMS, json.dumps, as_pair) == [(item, HERE) for item in ITEMS]
    finally:
        go_on.set()
        other.join()


def kills_the_fork(item: int) -> int:
    if os.getpid() != HERE:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.02)
    return item


def raises_in_the_fork(item: int) -> int:
    if os.getpid() != HERE:
        raise ValueError(item)
    time.sleep(0.02)
    return item


def cannot_be_sent(item: int) -> Callable[[], int]:
    time.sleep(0.02)
    return lambda: item


@pytest.mark.parametrize("work", [kills_the_fork, raises_in_the_fork])
def test_what_the_fork_leaves_undone_is_done_here(work):
    with second_process(allowed=True):
        assert in_two_processes(work, ITEMS, json.dumps, json.loads) == ITEMS


def test_what_cannot_be_sent_is_done_here():
    with second_process(allowed=True):
        assert [found() for found in in_two_processes(cannot_be_sent, ITEMS, json.dumps, json.loads)] == ITEMS


def test_an_error_is_raised_here():
    def fails(item: int) -> int:
        time.sleep(0.01)
        if item == 5:
            raise ValueError("five")
        return item

    with second_process(allowed=True), pytest.raises(ValueError, match="five"):
        in_two_processes(fails, ITEMS, json.dumps, json.loads)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_two_processes_write_the_report_that_one_writes(tmp_path, monkeypatch):
    accuracies = {"base": [0.60, 0.64, 0.62], "better": [0.80, 0.82, 0.81], "close": [0.69, 0.61, 0.68]}
    make_results(tmp_path, accuracies, card=make_card(tmp_path, splits={"train": 80, "validation": 40, "test": 200}))
    written = []
    for cores in (1, 2):
        monkeypatch.setattr("flows.cli.show_commands.usable_cores", lambda cores=cores: cores)
        rebuild_report(find_study("small", tmp_path))
        study_dir = StudyDir(tmp_path, "small")
        files = [*study_dir.report_dir.rglob("*"), study_dir.summary_path]
        written.append({path.name: path.read_bytes() for path in files if path.is_file()})
    assert written[0] == written[1]
    assert len(written[0]) > 10


def test_matrix_products_have_their_threads_again_after_the_block():
    functions = _functions()
    if functions is None:
        pytest.skip("numpy is built with another library than OpenBLAS")
    n_threads, set_threads = functions
    before = n_threads()
    set_threads(2)
    try:
        first, second = one_blas_thread(), one_blas_thread()
        with first:
            second.__enter__()
            assert n_threads() == 1
        assert n_threads() == 1, "another thread is still within its block"
        second.__exit__(None, None, None)
        assert n_threads() == 2
    finally:
        set_threads(before)
