"""Workers that are forked from one process: what is different from workers that start by themselves."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest

from bertft_core.config import UserError
from bertft_core.config.execution_settings import ExecutionConfig
from bertft_core.records import RunSpec
from bertft_core.training import forked_workers, worker
from bertft_core.training.devices import slot_environments
from bertft_core.training.forked_workers import WorkerTemplate, can_fork
from bertft_core.training.slots import Slots
from bertft_core.training.workers import WorkerDied
from tests.helpers.interrupted_runs import pids_of, result_in
from tests.helpers.tiny_studies import tiny_spec, tiny_study

pytestmark = pytest.mark.skipif(not can_fork({"CUDA_VISIBLE_DEVICES": ""}), reason="workers start by themselves here")


@pytest.fixture(scope="module")
def spec(tmp_path_factory) -> RunSpec:
    return tiny_spec(*tiny_study(tmp_path_factory.mktemp("study")))


@pytest.fixture(scope="module")
def slots(tmp_path_factory):
    """Two, whose workers have said their first word."""
    execution = ExecutionConfig(device="cpu", slots=2)
    with Slots(slot_environments(execution), tmp_path_factory.mktemp("logs")) as slots:
        for its in slots._workers:
            assert b'"ready"' in its._next_line()
            its._is_ready = True
        yield slots


def template_of(slots: Slots) -> psutil.Process:
    assert slots._template is not None
    return psutil.Process(slots._template._process.pid)


def test_workers_are_children_of_one_process_and_share_its_memory(slots):
    processes, template = [psutil.Process(pid) for pid in pids_of(slots)], template_of(slots)
    assert [process.parent() for process in processes] == [template, template]
    assert {process.name() for process in processes} == {worker.NAME}
    for process in processes:
        assert process.memory_full_info().uss < template.memory_info().rss / 8, "torch and transformers are in memory once"


def test_a_worker_holds_no_descriptor_of_another_or_of_the_template(slots):
    held = [{name for name in links(pid) if name.startswith(("pipe:", "socket:", "anon_inode:"))} for pid in pids_of(slots)]
    assert [len(names) for names in held] == [2, 2], "requests and answers"
    assert not held[0] & held[1]
    assert not (held[0] | held[1]) & set(links(template_of(slots).pid))


def links(pid: int) -> list[str]:
    return [str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir() if path.is_symlink()]


def test_what_a_worker_trains_is_the_same_in_a_fork_and_in_a_process_of_its_own(slots, spec, tmp_path):
    with slots.lease() as its:
        its.run(spec, tmp_path / "forked", lambda event: None)
    with Slots([{"CUDA_VISIBLE_DEVICES": "none"}], tmp_path / "logs") as own, own.lease() as its:
        its.run(spec, tmp_path / "own", lambda event: None)
    assert result_in(tmp_path / "forked") == result_in(tmp_path / "own")


def test_workers_end_with_their_template_and_a_new_one_takes_its_place(slots, spec, tmp_path):
    before, template = pids_of(slots), template_of(slots)

    def kill(event: object) -> None:
        template.kill()

    with pytest.raises(WorkerDied, match="SIGKILL"), slots.lease() as its:
        its.run(spec, tmp_path / "killed", kill)
    assert not psutil.wait_procs([psutil.Process(pid) for pid in alive(before)], 30)[1]
    with slots.lease() as its:
        its.run(spec, tmp_path / "next", lambda event: None)
    assert template_of(slots) != template


def alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if psutil.pid_exists(pid)]


def test_a_template_that_cannot_import_is_a_mistake_to_fix(spec, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("raise SystemExit('libgomp is missing')\n")
    environment = {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(tmp_path)}
    with Slots([environment] * 2, tmp_path / "logs") as slots, slots.lease() as its, pytest.raises(UserError) as raised:
        its.run(spec, tmp_path / "run", lambda event: None)
    assert raised.value.code == "worker.does-not-start"
    assert raised.value.path == str(tmp_path / "logs" / "workers.log")
    assert "libgomp is missing" in raised.value.found


NO_THREADS = """
import os, threading

def refuse(self):
    raise RuntimeError("can't start new thread")

os.register_at_fork(after_in_child=lambda: setattr(threading.Thread, "start", refuse))
"""


def test_what_a_fork_dies_of_before_it_is_ready_is_in_its_own_log(spec, tmp_path):
    """As in a container that allows few threads."""
    (tmp_path / "sitecustomize.py").write_text(NO_THREADS)
    environment = {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(tmp_path)}
    with Slots([environment] * 2, tmp_path / "logs") as slots, slots.lease() as its, pytest.raises(UserError) as raised:
        its.run(spec, tmp_path / "run", lambda event: None)
    assert raised.value.path == str(tmp_path / "logs" / "worker-0.log")
    assert "can't start new thread" in raised.value.found


ONE_FORK = """
import os

fork, left = os.fork, [1]

def refuse():
    if not left:
        raise BlockingIOError("too many processes")
    left.pop()
    return fork()

os.fork = refuse
"""


def test_a_fork_that_is_refused_costs_no_other_worker_anything(spec, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(ONE_FORK)
    environment = {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(tmp_path)}
    with Slots([environment] * 2, tmp_path / "logs") as slots, slots.lease() as first, slots.lease() as second:
        with pytest.raises(UserError, match="does not start") as raised:
            second.run(spec, tmp_path / "refused", lambda event: None)
        first.run(spec, tmp_path / "run", lambda event: None)
    assert raised.value.path == str(tmp_path / "logs" / "worker-1.log")
    assert "too many processes" in raised.value.found


def test_one_slot_needs_no_process_to_fork_from(tmp_path):
    with Slots([{"CUDA_VISIBLE_DEVICES": ""}], tmp_path) as slots:
        assert psutil.Process(slots._workers[0].pid).parent() == psutil.Process()


def test_a_worker_that_is_killed_before_it_has_started_does_not_start(tmp_path):
    template = WorkerTemplate({}, tmp_path / "workers.log")
    try:
        its = template.new_worker(tmp_path / "worker.log")
        its.kill()
        assert its._process.poll() == -signal.SIGKILL
        assert template.alive
    finally:
        template.kill()


def test_where_processes_cannot_be_watched_workers_start_by_themselves(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "pidfd_open", forbidden)
    forked_workers._can_watch_processes.cache_clear()
    try:
        with Slots([{"CUDA_VISIBLE_DEVICES": ""}] * 2, tmp_path) as slots:
            assert psutil.Process(slots._workers[0].pid).parent() == psutil.Process()
    finally:
        monkeypatch.undo()
        forked_workers._can_watch_processes.cache_clear()


def forbidden(*args: int) -> int:
    raise PermissionError("seccomp")


@pytest.mark.parametrize(("module", "name"), [(os, "pidfd_open"), (signal, "pidfd_send_signal")])
@pytest.mark.parametrize("built_with", [False, True], ids=["old headers", "new headers"])
def test_both_calls_are_tried_first_and_may_be_missing_from_python(monkeypatch, module, name, built_with):
    looks = forked_workers._can_watch_processes.__wrapped__
    assert looks()
    if built_with:
        monkeypatch.setattr(module, name, forbidden)
    else:
        monkeypatch.delattr(module, name)
    assert not looks()
