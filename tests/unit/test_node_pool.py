"""Slots on nodes that come and go: nobody waits for one that is not there while another is free."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from bertft_core.config import UserError
from bertft_core.training.remote_worker import NodeLost
from bertft_core.training.workers import SlotsClosing
from tasks.engines import node_pool
from tasks.engines.node_pool import NodePool
from tests.helpers.waiting import becomes

SOON = 10.0


class Cluster:
    """Room for so many slots; more are asked for and wait."""

    def __init__(self, room: int, n: int, **how: float) -> None:
        self.room, self.ended, self.heard = room, [], []
        self.asked, self.placed = 0, set()
        self.changed = threading.Condition()
        self.refusal: Exception | None = None
        self.pool: NodePool[int] = NodePool(n, self._ask, self._wait_for, self._end, **how)
        self.pool.listen(self.heard.append)

    def _ask(self) -> int:
        with self.changed:
            self.asked += 1
            return self.asked

    def _wait_for(self, slot: int) -> None:
        with self.changed:
            self.changed.wait_for(lambda: slot in self.ended or len(self.placed) < self.room or self.refusal)
            if self.refusal:
                raise self.refusal
            if slot in self.ended:
                raise NodeLost("it was ended before it had a node")
            self.placed.add(slot)

    def _end(self, slot: int) -> None:
        with self.changed:
            self.ended.append(slot)
            self.placed.discard(slot)
            self.changed.notify_all()

    def grow(self, n: int) -> None:
        with self.changed:
            self.room += n
            self.changed.notify_all()


@pytest.fixture
def cluster(monkeypatch):
    """Makes clusters, whose pools are closed at the end."""
    monkeypatch.setattr(node_pool, "PAUSE_SECONDS", 0.01)
    made: list[Cluster] = []

    def make(room: int, n: int, **how: float) -> Cluster:
        made.append(Cluster(room, n, **how))
        return made[-1]

    yield make
    for each in made:
        each.pool.close()


def soon(is_so: Callable[[], bool]) -> bool:
    return becomes(is_so, SOON, every=0.005)


def in_time(call: Callable[[], int]) -> int:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result(timeout=SOON)


def test_more_slots_than_there_is_room_for_share_what_is_there(cluster):
    """Ten runs on two slots of the eight that were asked for."""
    two = cluster(room=2, n=8)

    def run(_: int) -> int:
        slot = two.pool.take()
        time.sleep(0.01)
        two.pool.give_back(slot)
        return slot

    with ThreadPoolExecutor(9) as pool:
        used = [future.result(timeout=SOON) for future in [pool.submit(run, i) for i in range(10)]]
    assert len(set(used)) == 2
    assert "waiting for a node (2 of 8 slots have one)" in two.heard


def test_a_lost_slot_holds_nobody_up_while_another_is_free(cluster):
    two = cluster(room=2, n=2)
    first, second = two.pool.take(), two.pool.take()
    two.room = 1
    two.pool.lose(first)
    waiting = ThreadPoolExecutor(1).submit(two.pool.take)
    assert soon(lambda: two.pool._n_waiting == 1)
    two.pool.give_back(second)
    assert waiting.result(timeout=SOON) == second
    assert two.ended == [first]


def test_with_no_node_left_runs_wait_and_go_on_when_one_joins(cluster):
    one = cluster(room=1, n=1)
    slot = one.pool.take()
    one.room = 0
    one.pool.lose(slot)
    waiting = ThreadPoolExecutor(1).submit(one.pool.take)
    assert soon(lambda: one.heard[-1:] == ["waiting for a node"])
    assert not waiting.done()
    one.grow(1)
    assert waiting.result(timeout=SOON) > slot
    assert one.heard[-1] is None


def test_a_slot_that_dies_while_it_starts_is_asked_for_again(cluster):
    """As when it was placed on a node that was just gone."""
    one = cluster(room=0, n=1)
    waiting = ThreadPoolExecutor(1).submit(one.pool.take)
    assert soon(lambda: one.asked == 1)
    one._end(1)
    one.grow(1)
    assert waiting.result(timeout=SOON) >= 2


def test_what_no_slot_can_do_is_said_to_everybody(cluster):
    one = cluster(room=0, n=2)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(one.pool.take) for _ in range(2)]
        assert soon(lambda: one.asked == 2)
        one.refusal = UserError("other versions", code="test", hint="none")
        one.grow(0)
        for each in waiting:
            with pytest.raises(UserError, match="other versions"):
                each.result(timeout=SOON)
    with pytest.raises(UserError):
        in_time(one.pool.take)


def test_closing_ends_every_slot_and_whoever_waits(cluster):
    one = cluster(room=1, n=3)
    slot = one.pool.take()
    waiting = ThreadPoolExecutor(1).submit(one.pool.take)
    assert soon(lambda: one.asked == 2)
    one.pool.close()
    with pytest.raises(SlotsClosing):
        waiting.result(timeout=SOON)
    with pytest.raises(SlotsClosing):
        one.pool.take()
    assert set(one.ended) == {slot, slot + 1}
    assert soon(lambda: one.placed == set()), "nothing stays in the cluster"


def test_what_is_idle_for_long_is_given_back_and_asked_for_again_when_needed(cluster):
    two = cluster(room=2, n=2, idle_seconds=0.05)
    two.pool.warm_up(2)
    assert soon(lambda: len(two.ended) == 2)
    assert in_time(two.pool.take) == 3


def test_no_more_is_asked_for_than_there_is_work(cluster):
    many = cluster(room=9, n=9)
    slot = many.pool.take()
    many.pool.give_back(slot)
    assert many.pool.take() == slot
    assert many.asked == 1
