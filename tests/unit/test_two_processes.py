"""Work that a fork shares: what it finds is as if this process had done all, whatever becomes of the fork."""

from __future__ import annotations

import json
import subprocess
import sys
import threading

import pytest
from threadpoolctl import ThreadpoolController

from bertft_core import two_processes
from bertft_core.statistics.blas_threads import one_blas_thread
from bertft_core.two_processes import in_two_processes, second_process
from tests.helpers import fork_checks
from tests.helpers.waiting import PATIENCE_SECONDS


@pytest.mark.parametrize("check", fork_checks.CHECKS, ids=lambda check: check.__name__)
def test_in_a_process_that_has_no_other_thread(check, tmp_path):
    command = [sys.executable, "-m", fork_checks.__name__, check.__name__, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert ended.returncode == 0, ended.stderr


def test_beside_another_thread_nothing_is_forked(monkeypatch):
    monkeypatch.setattr(two_processes, "_fork", lambda: pytest.fail("a fork"))
    go_on = threading.Event()
    other = threading.Thread(target=go_on.wait, daemon=True)
    other.start()
    try:
        with second_process(allowed=True):
            assert in_two_processes(str, [1, 2, 3], json.dumps, json.loads) == ["1", "2", "3"]
    finally:
        go_on.set()
        other.join()


def test_matrix_products_have_their_threads_again_after_the_block():
    blas = ThreadpoolController().select(user_api="blas")

    def n_threads() -> set[int]:
        return {library["num_threads"] for library in blas.info()}

    with blas.limit(limits=2):
        assert n_threads() == {2}
        first, second = one_blas_thread(), one_blas_thread()
        with first:
            second.__enter__()
            assert n_threads() == {1}
        assert n_threads() == {1}, "another thread is still within its block"
        second.__exit__(None, None, None)
        assert n_threads() == {2}
