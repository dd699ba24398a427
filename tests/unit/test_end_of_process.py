"""A command's process ends at once, but not before its threads, exit handlers and output are done."""

from __future__ import annotations

import subprocess
import sys

ENDS = """
import atexit, logging.handlers, sys, threading, time
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
kept_back = logging.handlers.MemoryHandler(9, target=logging.StreamHandler(sys.stdout))
kept_back.handle(logging.makeLogRecord({"msg": "logged", "levelno": 20}))
print("to stderr", file=sys.stderr)
sys.stdout.write("unflushed ")
end_process(3)
"""


def test_threads_handlers_and_output_are_done_and_nothing_is_taken_apart():
    ended = subprocess.run([sys.executable, "-c", ENDS], capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stderr) == (3, "to stderr\n")
    *before, handler, logged = ended.stdout.split()
    assert (sorted(before), handler, logged) == (["executor", "thread", "unflushed"], "handler", "logged")


UNFLUSHABLE = """
import sys
from bertft_core.processes import end_process

class Full:
    def write(self, text): pass
    def flush(self): raise OSError(28, "No space left on device")

sys.stdout = Full()
end_process(0)
"""


def test_a_stream_that_cannot_be_flushed_is_reported_as_python_does():
    ended = subprocess.run([sys.executable, "-c", UNFLUSHABLE], capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 120
    assert "No space left on device" in ended.stderr


NOT_ASKED = """
import bertft_core.processes

class Kept:
    def __del__(self):
        print("taken apart")

kept = Kept()
raise SystemExit(4)
"""


def test_a_process_that_did_not_ask_for_it_ends_as_any_other():
    ended = subprocess.run([sys.executable, "-c", NOT_ASKED], capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stdout) == (4, "taken apart\n")


def test_a_command_ends_with_its_code():
    for words, code in ((["--version"], 0), (["status", "../no-name"], 2)):
        ended = subprocess.run(
            [sys.executable, "-P", "-m", "flows.cli.app", *words], capture_output=True, text=True, check=False, timeout=60
        )
        assert ended.returncode == code, ended.stderr
        assert ended.stdout if code == 0 else ended.stderr.startswith("error:")
