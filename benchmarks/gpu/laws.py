"""The tests marked `gpu`, in a process of their own."""

from __future__ import annotations

import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from benchmarks.gpu.seeds_per_hour import ROOT, benchmark_environment
from tests.helpers.gpu_device import VARIABLE

N_LINES = 40


def run_tests(device: str, directory: Path, seconds: float, chosen: str) -> dict[str, Any]:
    """How many passed, failed and were skipped, which failed, and how long it took; pytest is ended after `seconds`.

    `chosen` is an expression of pytest's -k.
    """
    report = directory / "tests.xml"
    words = ["-m", "gpu", "-p", "no:cacheprovider", "-k", chosen, f"--junit-xml={report}", "tests/gpu"]
    started = time.monotonic()
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "pytest", *words],
            cwd=ROOT,
            env=benchmark_environment({VARIABLE: device, "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}),
            capture_output=True,
            text=True,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        return {"seconds": time.monotonic() - started, "error": f"not done after {seconds:.0f} s"}
    found: dict[str, Any] = {"seconds": time.monotonic() - started}
    if not report.exists():
        return found | {"error": "\n".join((done.stdout + done.stderr).splitlines()[-N_LINES:])}
    (suite,) = ET.parse(report).getroot().iter("testsuite")
    n, failed, skipped = (int(suite.get(name, 0)) for name in ("tests", "failures", "skipped"))
    failed += int(suite.get("errors", 0))
    found |= {"passed": n - failed - skipped, "failed": failed, "skipped": skipped}
    if failed:
        found["error"] = "\n".join(done.stdout.splitlines()[-N_LINES:])
    return found
