"""A command's process ends at once, but not before its threads, exit handlers and output are done."""

from __future__ import annotations

import subprocess
import sys

ENDS = """
import atexit, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from bertft_core.processes import end_process

class Slow:
    def __del__(self):
        print("taken apart")

kept = Slow()
atexit.register(print, "handler")
threading.Thread(target=lambda: (time.sleep(0.2), print("thread"))).start()
pool = ThreadPoolExecutor()
pool.submit(print, "executor").result()
print("to stderr", file=sys.stderr)
sys.stdout.write("unflushed ")
end_process(3)
"""


def test_threads_handlers_and_output_are_done_and_nothing_is_taken_apart():
    ended = subprocess.run([sys.executable, "-c", ENDS], capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stderr) == (3, "to stderr\n")
    *before, last = ended.stdout.split()
    assert (sorted(before), last) == (["executor", "thread", "unflushed"], "handler")


def test_a_command_ends_with_its_code():
    for words, code in ((["--version"], 0), (["status", "../no-name"], 2)):
        ended = subprocess.run(
            [sys.executable, "-P", "-m", "flows.cli.app", *words], capture_output=True, text=True, check=False, timeout=60
        )
        assert ended.returncode == code, ended.stderr
        assert ended.stdout if code == 0 else ended.stderr.startswith("error:")
