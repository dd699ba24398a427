"""Stand-ins for SLURM's commands: `sbatch` runs the script here, `srun` its command once per task, all recorded.

That the scripts do what they say under bash, they show; that SLURM starts them so, they do not.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

SRUN = """#!{python}
import json, os, signal, subprocess, sys
first = next(n for n, word in enumerate(sys.argv[1:], 1) if not word.startswith("--"))
rest = sys.argv[first:]
options = sys.argv[1:first]
with open(os.environ["RECORDED"], "a") as file:
    file.write(json.dumps(["srun", *sys.argv[1:]]) + "\\n")
n = next((int(word.partition("=")[2]) for word in options if word.startswith("--ntasks=")), 1)
children = []
def passed_on(number, frame):
    for child in children:
        child.terminate()
    sys.exit(143)
signal.signal(signal.SIGTERM, passed_on)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])  # a child is in the list before it can be told
for _ in range(n):
    children.append(subprocess.Popen(rest, preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])))
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
sys.exit(max(child.wait() for child in children))
"""
SCONTROL = """#!/bin/sh
[ "$1 $2" = "show hostnames" ] && printf 'n1\\nn2\\nn3\\n'
"""
PROGRAM = """#!{python}
import json, os, signal, sys, time
words = [{name!r}, *sys.argv[1:]]
def record(*more):
    with open(os.environ["RECORDED"], "a") as file:
        file.write(json.dumps([*words, *more]) + "\\n")
if "status" in words:
    sys.exit(0 if "--head" in open(os.environ["RECORDED"]).read() else 1)
def ended(number, frame):
    record(signal.Signals(number).name)
    sys.exit(130)
signal.signal(signal.SIGTERM, ended)
if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
    signal.signal(signal.SIGINT, ended)
record(*(f"{{n}}={{os.environ[n]}}" for n in ("RAY_AUTH_MODE", "BERTFT_NODE_HOME", "BERTFT_HOME") if n in os.environ))
if "FINISHES" not in os.environ or words[0] != "bertft":
    time.sleep(60)
while open(os.environ["RECORDED"]).read().count('["ray"') < int(os.environ["SLURM_JOB_NUM_NODES"]):
    time.sleep(0.05)  # a study of some length: every node has joined
record("done")
"""


class Slurm:
    """A folder with the stand-ins, and what they were called with."""

    def __init__(self, folder: Path, *programs: str) -> None:
        self.bin, self.recorded = folder / "bin", folder / "recorded.jsonl"
        self.bin.mkdir(parents=True)
        self.recorded.touch()
        self._make("srun", SRUN.format(python=sys.executable))
        self._make("scontrol", SCONTROL)
        for name in programs:
            self._make(name, PROGRAM.format(python=sys.executable, name=name))
        self.folder = folder

    def _make(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def sbatch(self, script: Path, *words: str, nodes: int = 1, **variables: str) -> subprocess.Popen[str]:
        """Run a script as a job of so many nodes."""
        options = re.findall(r"^#SBATCH (--.+)$", script.read_text(), re.MULTILINE)
        named = dict(option.split("=", 1) for option in options if "=" in option)
        assert {"--job-name", "--cpus-per-task", "--time", "--signal"} <= named.keys()
        job = {"SLURM_JOB_ID": "4711", "SLURM_JOB_NODELIST": "n[1-3]", "SLURM_JOB_NUM_NODES": str(nodes)}
        job |= {"SLURM_CPUS_PER_TASK": named["--cpus-per-task"], "SLURM_TMPDIR": str(self.folder / "local")}
        kept = {"PATH": os.pathsep.join([str(self.bin), os.environ["PATH"]]), "HOME": str(self.folder)}
        own = {"RECORDED": str(self.recorded), "BERTFT_BIN": str(self.bin)}
        bash = shutil.which("bash")
        assert bash is not None
        return subprocess.Popen(
            [bash, str(script), *words],
            env=kept | own | job | variables,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def calls(self, name: str) -> list[list[str]]:
        """The words of each line about a program, without its name."""
        lines = [json.loads(line) for line in self.recorded.read_text().splitlines()]
        return [words for first, *words in lines if first == name]
