"""Workers die, make noise and lose their parents; a slot stays usable and no process is left behind."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from bertft_core.config import UserError
from bertft_core.config.probe_settings import ProbesConfig
from bertft_core.processes import ChildLog
from bertft_core.records import RunRecord, RunSpec
from bertft_core.records.probe_record import ProbeRecord
from bertft_core.storage.study_dir import read_record
from bertft_core.training.slots import Slots
from bertft_core.training.workers import RunFailed, SlotsClosing, Worker, WorkerDied
from tests.helpers.interrupted_runs import pids_of
from tests.helpers.tiny_studies import tiny_spec, tiny_study, with_training

FORKED = {"CUDA_VISIBLE_DEVICES": ""}
"""What makes the workers of an environment forks of one process."""
KINDS = [pytest.param({}, marks=pytest.mark.slow, id="own"), pytest.param(FORKED, id="forked")]
NOISE = """
    import os, sys, threading, time

    def make_noise():
        while "bertft_core.training.run" not in sys.modules:
            time.sleep(0.001)
        while True:
            print("noise from Python", flush=True)
            os.write(1, b'{"kind": "done"}\\n')  # as native code would write, in the worst words
            time.sleep(0.01)

    def begin():
        threading.Thread(target=make_noise, daemon=True).start()

    print("noise before the worker begins", flush=True)
    os.register_at_fork(after_in_child=begin)
    begin()
"""


@pytest.fixture(scope="module")
def spec(tmp_path_factory) -> RunSpec:
    return tiny_spec(*tiny_study(tmp_path_factory.mktemp("study")))


@pytest.fixture(scope="module")
def endless(spec) -> RunSpec:
    """Hours of training, unless somebody ends it."""
    return with_training(spec, epochs=None, max_steps=1_000_000, evaluate_every_epochs=None)


@pytest.fixture(scope="module")
def log_dir(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module", params=KINDS)
def slots(request, log_dir):
    """One slot; each test leaves it usable, which the next one proves."""
    noise_dir = log_dir / "noise"
    noise_dir.mkdir(exist_ok=True)
    (noise_dir / "sitecustomize.py").write_text(textwrap.dedent(NOISE))
    path = {"PYTHONPATH": f"{noise_dir}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bertft_core.training.slots.FEWEST_FORKED", 1)
        with Slots([request.param | path], log_dir) as slots:
            yield slots


def ignore(event: dict[str, Any]) -> None:
    pass


def gone(pid: int, within_seconds: float = 60.0) -> bool:
    """The process ends in time; a zombie that nobody has buried counts as ended."""
    deadline = time.monotonic() + within_seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            if state != "Z":
                time.sleep(0.02)
                continue
        return True
    return False


def test_noise_on_stdout_cannot_break_the_protocol(slots, spec, log_dir, tmp_path):
    events: list[dict[str, Any]] = []
    with slots.lease() as worker:
        worker.run(spec, tmp_path, events.append)
    kinds = [event["kind"] for event in events]
    assert (kinds[0], kinds[-1]) == ("started", "ended")
    assert kinds.count("step") == 15
    assert kinds.count("evaluation") == 3
    assert read_record(tmp_path / "record.json", RunRecord) is not None
    assert "noise from Python" in (log_dir / "worker-0.log").read_text(), "it is kept, in the worker's log"


def test_what_looks_like_an_answer_before_the_worker_is_ready_is_none(tmp_path):
    script = """
        import sys
        print('{"kind": "done"}', '{"kind": "ready", "pid": 1}', sep="\\n", flush=True)
        sys.stdin.readline()
        print('{"kind": "kernels", "found": 1}', '{"kind": "done"}', sep="\\n", flush=True)
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        worker = Worker(process, ChildLog(tmp_path / "log"))
        assert worker.probe_kernels(1) == {"found": 1}
        worker.kill()


def test_a_worker_says_what_its_own_process_uses_of_the_machine(slots, spec, tmp_path):
    events: list[dict[str, Any]] = []
    with slots.lease() as worker:
        worker.run(spec, tmp_path, events.append)
    (load,) = (event for event in events if event["kind"] == "system")
    assert load["step"] == max(event["step"] for event in events if event["kind"] == "step")
    assert load["numbers"]["process_memory_megabytes"] > 100, "torch is in the worker"
    assert load["numbers"]["process_cpu_percentage"] > 0
    assert events[-2] == load


def test_a_worker_probes_the_model_that_it_has_trained(slots, spec, tmp_path):
    probes = ProbesConfig(masked_lm=None)
    pids = pids_of(slots)
    with slots.lease() as worker:
        worker.run(spec, tmp_path, ignore)
        worker.probe(spec, tmp_path, probes)
    found = read_record(tmp_path / "probes.json", ProbeRecord)
    assert found is not None
    assert (len(found.drift), len(found.similarity), found.absent) == (3, 3, {})
    shutil.rmtree(tmp_path / "model")
    with slots.lease() as worker, pytest.raises(UserError, match="the model of full · seed 000 is missing"):
        worker.probe(spec, tmp_path, probes)
    assert pids_of(slots) == pids, "the worker is healthy and stays"


def test_a_user_error_crosses_the_process_border(slots, spec, tmp_path):
    with slots.lease() as worker, pytest.raises(UserError) as raised:
        worker.run(with_training(spec, precision="fp16"), tmp_path, ignore)
    assert raised.value.code == "machine.fp16-needs-gpu"
    assert raised.value.problem == "fp16 needs a GPU"
    assert "'full'" in str(raised.value.hint)
    assert "Traceback" not in str(raised.value)


def test_an_error_in_a_run_is_reported_in_one_line_and_its_traceback_kept(slots, spec, tmp_path):
    pid = pids_of(slots)
    with slots.lease() as worker, pytest.raises(RunFailed, match="FileNotFoundError") as raised:
        worker.run(spec.model_copy(update={"prepared_dir": str(tmp_path / "nowhere")}), tmp_path / "run", ignore)
    assert "\n" not in str(raised.value)
    log = (tmp_path / "run" / "log.txt").read_text()
    assert log.startswith("Traceback")
    assert "nowhere" in log
    assert not (tmp_path / "run" / "record.json").exists()
    assert pids_of(slots) == pid, "the worker is healthy and stays"


def test_a_killed_worker_is_replaced_at_the_next_lease(slots, spec, endless, tmp_path):
    with slots.lease() as worker:
        killed = worker.pid

        def kill(event: dict[str, Any]) -> None:
            if event.get("step") == 3:
                os.kill(killed, signal.SIGKILL)

        with pytest.raises(WorkerDied, match=r"SIGKILL.*memory"):
            worker.run(endless, tmp_path / "killed", kill)
    assert pids_of(slots) == []
    with slots.lease() as worker:
        assert worker.pid != killed
        worker.run(spec, tmp_path / "next", ignore)
    assert read_record(tmp_path / "next" / "record.json", RunRecord) is not None


def test_a_run_that_its_listener_leaves_does_not_leak_into_the_next_one(slots, spec, endless, tmp_path):
    def leave(event: dict[str, Any]) -> None:
        if event.get("step") == 3:
            raise KeyboardInterrupt

    with slots.lease() as worker, pytest.raises(KeyboardInterrupt):
        worker.run(endless, tmp_path / "left", leave)
    events: list[dict[str, Any]] = []

    def listen(event: dict[str, Any]) -> None:
        events.append(event)
        assert events[0].get("planned_steps") == 15, "the first event is the start of this run"

    with slots.lease() as worker:
        worker.run(spec, tmp_path / "next", listen)
    of_the_run = [event for event in events if event["kind"] != "system"]  # those come with time
    assert len(of_the_run) == 1 + 1 + 15 + 3 + 1 + 1
    assert read_record(tmp_path / "next" / "record.json", RunRecord) is not None


@pytest.mark.parametrize("environment", KINDS)
def test_close_ends_workers_in_the_middle_of_their_runs(environment, spec, endless, tmp_path):
    """Both while a run waits for its worker and while it handles an event."""
    slots = Slots([environment, environment], tmp_path / "logs")
    pids = pids_of(slots)
    assert len(pids) == 2
    under_way, closed, raised = threading.Barrier(3), threading.Event(), []

    def handle_slowly(event: dict[str, Any]) -> None:
        if event.get("step") == 3:
            under_way.wait(300)
            closed.wait(300)

    def handle_quickly(event: dict[str, Any]) -> None:
        if event.get("step") == 3:
            under_way.wait(300)

    def run(name: str, on_event: Any) -> None:
        try:
            with slots.lease() as worker:
                worker.run(endless, tmp_path / name, on_event)
        except Exception as error:
            raised.append(error)

    threads = [threading.Thread(target=run, args=item) for item in {"slow": handle_slowly, "quick": handle_quickly}.items()]
    for thread in threads:
        thread.start()
    under_way.wait(300)
    slots.close()
    closed.set()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert [type(error) for error in raised] == [SlotsClosing, SlotsClosing]
    assert all(gone(pid) for pid in pids)
    with pytest.raises(SlotsClosing, match="stopping"), slots.lease():
        pass


PARENT = """
    import json
    import sys
    from pathlib import Path
    from bertft_core.records import RunSpec
    from bertft_core.storage.study_dir import checked_record
    from bertft_core.training.slots import Slots

    spec_path, folder, environment = sys.argv[1:]
    slots = Slots([json.loads(environment)] * 2, Path(folder))
    with slots.lease() as worker:
        print(worker.pid, flush=True)
        spec = checked_record(Path(spec_path), RunSpec)
        worker.run(spec, Path(folder) / "run", lambda event: print(event["kind"], flush=True))
"""


@pytest.mark.parametrize("environment", KINDS)
def test_a_worker_ends_in_the_middle_of_its_run_when_its_parent_is_killed(environment, endless, tmp_path):
    (tmp_path / "spec.json").write_text(endless.model_dump_json())
    words = [str(tmp_path / "spec.json"), str(tmp_path), json.dumps(environment)]
    command = [sys.executable, "-c", textwrap.dedent(PARENT), *words]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert parent.stdout is not None
        worker_pid = int(parent.stdout.readline())
        assert parent.stdout.readline() == "started\n"
        assert parent.stdout.readline() == "untrained\n"
        assert parent.stdout.readline() == "step\n"
        assert not gone(worker_pid, within_seconds=0.2)
    finally:
        parent.kill()
        parent.wait()
        if parent.stdout is not None:
            parent.stdout.close()
    assert gone(worker_pid)
