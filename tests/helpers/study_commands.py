"""Studies that a whole `bertft run` of takes seconds, the command itself as a process, and what it leaves."""

from __future__ import annotations

import copy
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import yaml

from bertft_core.records import RunRecord, StudySummary
from bertft_core.storage.study_dir import StudyDir, read_record
from bertft_core.training import worker
from tests.helpers.tiny_encoders import tiny_encoder
from tests.helpers.tiny_studies import write_texts
from tests.helpers.waiting import PATIENCE_SECONDS, Found, until
from tests.helpers.warm_commands import warm_commands

NAME = "tiny"
TRAINING = {"learning_rate": 0.01, "batch_size": 5, "epochs": 2}
SPACE = {"learning_rate": {"low": 1e-3, "high": 1e-2, "log": True}, "batch_size": {"choices": [4, 8]}}
SEARCH = {"space": SPACE, "n_trials": 2, "n_seeds": 2, "trials_per_batch": 2}
FEATURES = {"strategies": [{"kind": "feature_extraction"}]}
EXECUTION = {"device": "cpu", "slots": 2, "kernels": "mkl"}
"""A busy machine may measure its kernels differently each time, and with `--force` they are chosen anew."""
WHOLE = {"arms": {"features": FEATURES, "full": {"search": SEARCH}}, "execution": EXECUTION, "tracking": {}}
LONG = {"training": {"learning_rate": 0.003, "batch_size": 5, "max_steps": 250, "evaluate_every_steps": 50}}
"""Runs of some seconds: enough to meet them in the middle."""


class TinyStudy:
    """A study's config file with a home beside it, and the commands over them."""

    def __init__(self, directory: Path, shared: Path, environment: dict[str, str], **changes: Any) -> None:
        self.tracking_uri: str | None = None
        """Of a store that is not the home's."""
        self.config, self.home, self.environment = directory / "study.yaml", directory / "home", environment
        self.home.mkdir(parents=True)
        if "PREFECT_API_URL" in environment:  # the ones on a server of their own are also the ones on a store of their own
            shutil.copy(shared / "mlflow.db", self.home)
        self.values = study_values(shared, **changes)
        self.config.write_text(yaml.safe_dump(self.values, sort_keys=False))

    def copied_to(self, directory: Path) -> TinyStudy:
        """The study with its home, its data and what MLflow knows of it, copied to another folder."""
        other = copy.copy(self)
        other.config, other.home = directory / "study.yaml", directory / "home"
        shutil.copy(self.config, other.config)
        shutil.copytree(self.home, other.home)
        return other

    @property
    def name(self) -> str:
        return str(self.values["name"])

    @property
    def dir(self) -> StudyDir:
        return StudyDir(self.home, self.name)

    @property
    def summary(self) -> StudySummary:
        found = read_record(self.dir.summary_path, StudySummary)
        assert found is not None
        return found

    @property
    def records(self) -> dict[str, RunRecord]:
        """Every record by digest."""
        return {record.digest: record for record in self.dir.records()}

    @property
    def weights(self) -> dict[str, str | None]:
        """Run digest → hash of the final weights."""
        return {digest: record.weights_sha256 for digest, record in self.records.items()}

    def run(self, *options: str, expect: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
        """`bertft run` to its end."""
        return self.command("run", str(self.config), *options, expect=expect, **variables)

    def command(self, *words: str, expect: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
        """Any command on this home to its end; its exit code is checked, and that nobody sees a traceback."""
        words += ("--home", str(self.home))
        if "PREFECT_API_URL" in self.environment and not variables:
            ended = warm_commands(frozenset(self.environment.items())).run(words, self.config.parent, PATIENCE_SECONDS)
        else:  # an embedded server, or other variables, from the first import on
            ended = subprocess.run(
                [sys.executable, "-m", "flows.cli.app", *words],
                env=self.environment | variables,
                capture_output=True,
                text=True,
                check=False,
                timeout=PATIENCE_SECONDS,
                cwd=self.config.parent,
            )
        assert ended.returncode == expect, f"{words} ended with {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
        assert "Traceback" not in ended.stderr, ended.stderr
        return ended

    def start(self, *options: str) -> Started:
        """`bertft run` in the background."""
        command = [sys.executable, "-m", "flows.cli.app", "run", str(self.config), *options, "--home", str(self.home)]
        return Started(command, self.environment, self.config.parent / "stderr.txt")

    def runs(self, stage: str = "seeds") -> list[Any]:
        """The study's MLflow runs of a stage."""
        from tasks.tracking.mlflow_store import open_store, runs_where

        client, experiment = open_store(self.home, self.tracking_uri, self.name)
        return runs_where(client, experiment, f"tags.`bertft.stage` = '{stage}'")

    def checkpoints(self) -> list[Path]:
        """Runs that could be resumed now."""
        return list(self.dir.path.glob("runs/*/checkpoint/step-*"))


def mtimes(study: TinyStudy) -> dict[str, int]:
    """When each run's record, curves and spec were written."""
    return {str(path): path.stat().st_mtime_ns for path in study.dir.path.glob("runs/*/*") if path.is_file()}


SEVERAL = """
import contextlib, io, json, sys
from flows.cli.app import main
for words in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(words)
        except SystemExit as end:
            print(json.dumps([end.code, out.getvalue(), err.getvalue()]), file=sys.__stdout__)
"""


class Ended(NamedTuple):
    """A command that ended."""

    code: int
    stdout: str
    stderr: str


def run_several(commands: list[list[str]], environment: dict[str, str], directory: Path | None = None) -> list[Ended]:
    """Run commands one after the other in one process, because most of what a command costs is its start."""
    ended = subprocess.run(
        [sys.executable, "-c", SEVERAL],
        input=json.dumps(commands),
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS * len(commands),
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == "", "what a library wrote past Python's stderr"
    return [Ended(*json.loads(line)) for line in ended.stdout.splitlines()]


class Started:
    """A command in the background, with all its descendants."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path, stdout: Any = subprocess.DEVNULL) -> None:
        self._log = log
        with log.open("w") as stderr:
            self.process = subprocess.Popen(command, env=environment, stdout=stdout, stderr=stderr, start_new_session=True)

    @property
    def stderr(self) -> str:
        return self._log.read_text()

    def until(self, condition: Callable[[], Found], what: str, seconds: float = PATIENCE_SECONDS) -> Found:
        """Wait for something while the command runs, and give it."""

        def while_it_runs() -> Found:
            ended = self.process.poll() is not None
            found = condition()
            assert found or not ended, f"the command ended before {what}\n{self.stderr}"
            return found

        return until(while_it_runs, what, seconds, told=lambda: self.stderr)

    def descendants(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self.process.pid).children(recursive=True)
        return []

    def worker(self) -> psutil.Process:
        """A worker that trains now."""
        return max(self._workers(), key=lambda worker: sum(worker.cpu_times()[:2]))

    def _workers(self) -> list[psutil.Process]:
        return [child for child in self.descendants() if child.name() == worker.NAME]

    def end(self, how: signal.Signals) -> list[psutil.Process]:
        """Send a signal; the processes that were below the command then."""
        below = self.descendants()
        self.process.send_signal(how)
        return below

    def wait(self, seconds: float = PATIENCE_SECONDS) -> int:
        return self.process.wait(seconds)


def still_alive(processes: list[psutil.Process], within_seconds: float) -> list[psutil.Process]:
    """Those that have not ended in time."""
    _, alive = psutil.wait_procs(processes, timeout=within_seconds)
    return [process for process in alive if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


def study_values(shared: Path, **changes: Any) -> dict[str, Any]:
    """One arm, two seeds, tiny data; `changes` replace top-level keys."""
    data = {"source": "files", "max_length": 48} | {split: str(shared / f"{split}.jsonl") for split in SPLITS}
    values: dict[str, Any] = {
        "name": NAME,
        "encoder": {"path": str(shared / "encoder")},
        "data": data,
        "training": TRAINING,
        "arms": {"full": {}},
        "seeds": {"n": 2},
        "execution": {"device": "cpu", "slots": 1},
        "tracking": {"log_models": False},
    }
    return values | changes


SPLITS = ("train", "validation", "test")


def write_shared(directory: Path) -> None:
    """What all studies start from: texts, an encoder, an MLflow store without experiments."""
    from mlflow import MlflowClient

    write_texts(directory)
    tiny_encoder(directory / "encoder", seed=7, initializer_range=0.4)
    MlflowClient(f"sqlite:///{directory / 'mlflow.db'}").search_experiments()


def clean_environment(**variables: str) -> dict[str, str]:
    """Ours without what would lead a command to another server, store or home."""
    ours = {
        name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "MLFLOW_", "_MLFLOW_", "BERTFT_"))
    }
    return ours | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"} | variables
