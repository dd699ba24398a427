"""How many runs share a device: as many as are clearly faster together and fit, measured in the study's own workers."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import pytest

from bertft_core.config.execution_settings import ExecutionConfig
from bertft_core.training import device_sharing
from bertft_core.training.device_sharing import MOST, Trial, fitting, share_devices, wants_trial
from bertft_core.training.devices import slot_environments
from bertft_core.training.run import train_run
from bertft_core.training.slots import Slots
from bertft_core.training.workers import RunFailed, SlotsClosing, WorkerDied
from tests.helpers.interrupted_runs import result_in
from tests.helpers.tiny_studies import tiny_spec, tiny_study

GIB = 2**30


class FakeSlots:
    """`rates`: steps per second of all slots together, by their number; a device of 80 GiB, of which a run takes `run_bytes`."""

    def __init__(self, n: int, rates: dict[int, float], run_bytes: int = GIB, deaths: dict[int, Exception] | None = None) -> None:
        self.n, self.tried, self.is_closed = n, [], False
        self._rates, self._run_bytes, self._deaths, self._lock = rates, run_bytes, deaths or {}, threading.Lock()

    def resize(self, n):
        self.n = n

    @contextmanager
    def lease(self):
        yield self

    def try_run(self, spec, run_dir, seconds):
        with self._lock:
            self.tried.append(self.n)
            if error := self._deaths.pop(len(self.tried), None):
                raise error
        share = self._rates[self.n] / self.n
        return Trial(share, self._run_bytes, self._run_bytes + GIB // 2, 80 * GIB)._asdict()


@pytest.fixture(autouse=True)
def a_large_machine(monkeypatch):
    monkeypatch.setattr(device_sharing, "usable_cores", lambda: 64)
    monkeypatch.setattr(device_sharing, "memory_bytes", lambda: 512 * GIB)


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    return tiny_spec(*tiny_study(tmp_path_factory.mktemp("study")))


def shared(slots: FakeSlots, spec, threads: int = 1) -> int:
    said: list[str] = []
    share_devices(slots, spec, threads, said.append, seconds=0.0)  # type: ignore[arg-type]
    assert len(said) == 1
    return slots.n


def test_slots_double_as_long_as_they_are_clearly_faster_together(spec):
    slots = FakeSlots(1, {1: 10.0, 2: 19.0, 4: 30.0, 8: 31.0})
    assert shared(slots, spec) == 4
    assert sorted(slots.tried) == [1] + [2] * 2 + [4] * 4 + [8] * 8, "each number of slots is tried on all of them"
    assert shared(FakeSlots(1, {1: 10.0, 2: 10.5}), spec) == 1


def test_all_devices_are_tried_together(spec):
    assert shared(FakeSlots(2, {2: 20.0, 4: 36.0, 8: 37.0}), spec) == 4


def test_memory_and_cores_bound_them(spec, monkeypatch):
    always = {n: 10.0 * n for n in (1, 2, 4, 8, 16, 32)}
    assert shared(FakeSlots(1, always), spec) == MOST
    assert shared(FakeSlots(1, always, run_bytes=12 * GIB), spec) == 4, "5 of 12.5 GiB fit into 72"
    assert shared(FakeSlots(1, always), spec, threads=16) == 4
    monkeypatch.setattr(device_sharing, "memory_bytes", lambda: GIB)
    assert shared(FakeSlots(1, always), spec) == 2, "of the machine's own memory"


@pytest.mark.parametrize("error", [RunFailed("out of memory"), WorkerDied("killed")])
def test_a_trial_that_fails_shows_that_there_were_too_many(spec, error):
    slots = FakeSlots(1, {1: 10.0, 2: 20.0, 4: 40.0}, deaths={5: error})
    assert shared(slots, spec) == 2


def test_where_nothing_can_be_tried_nothing_changes_and_a_study_that_ends_is_not_held_up(spec):
    slots = FakeSlots(1, {1: 10.0}, deaths={1: RunFailed("no")})
    share_devices(slots, spec, 1, pytest.fail, seconds=0.0)  # type: ignore[arg-type]
    assert slots.n == 1
    closing = FakeSlots(1, {1: 10.0}, deaths={1: SlotsClosing("the study is stopping")})
    closing.is_closed = True
    with pytest.raises(SlotsClosing):
        share_devices(closing, spec, 1, pytest.fail, seconds=0.0)  # type: ignore[arg-type]


def test_what_is_taken_beside_a_run_counts_for_each():
    assert fitting(Trial(1.0, 3 * GIB, 4 * GIB, 80 * GIB)) == 18
    assert fitting(Trial(1.0, 100 * GIB, 100 * GIB, 80 * GIB)) == 1


def test_only_a_gpu_of_this_machine_whose_slots_are_open_is_tried():
    open_one = {"device": "cuda", "runs_per_device": "auto"}
    assert wants_trial(ExecutionConfig(**open_one))
    for change in ({"device": "cpu"}, {"slots": 2}, {"runs_per_device": 2}, {"engine": "ray"}):
        assert not wants_trial(ExecutionConfig(**open_one | change))


@pytest.mark.slow
def test_slots_of_a_machine_grow_and_shrink_and_their_runs_have_the_bits_of_a_lone_run(spec, tmp_path, monkeypatch):
    monkeypatch.setattr(device_sharing, "CLEARLY_FASTER", 0.0)
    monkeypatch.setattr(device_sharing, "MOST", 2)
    train_run(spec, run_dir=tmp_path / "alone")
    with Slots(slot_environments(ExecutionConfig(device="cpu", slots=1)), tmp_path / "logs") as slots:
        share_devices(slots, spec, 1, lambda text: None, seconds=0.1)
        assert slots.n == 2
        with slots.lease() as one, slots.lease() as other:
            one.run(spec, tmp_path / "one", lambda event: None)
            other.run(spec, tmp_path / "other", lambda event: None)
        slots.resize(1)
        with slots.lease() as worker:
            assert worker is one or worker is other
    assert result_in(tmp_path / "one") == result_in(tmp_path / "alone") == result_in(tmp_path / "other")
