"""A command that only looks loads no library that computes: it answers while others would still be importing."""

from __future__ import annotations

import subprocess
import sys

from bertft_core.processes import child_environment

SLOW = ("numpy", "pyarrow", "scipy", "pandas", "matplotlib", "jinja2", "optuna", "mlflow", "prefect", "torch")
IMPORTS = f"""
import sys
import flows.cli.status_command, tasks.tracking.store_consistency
found = [name for name in {SLOW} if name in sys.modules]
assert not found, found
"""


def test_status_loads_no_library_that_computes():
    ended = subprocess.run([sys.executable, "-P", "-c", IMPORTS], env=child_environment(), capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
