"""What a study and a node tell each other through a store arrives once and in order, and each notices when the other is gone."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from bertft_core.artifacts.artifact_store import ArtifactStore
from bertft_core.training import mailbox
from bertft_core.training.mailbox import Mailbox

STEPS = [{"kind": "step", "step": i} for i in range(6)]
DONE = {"kind": "done"}


@pytest.fixture
def sides(tmp_path, monkeypatch) -> tuple[Mailbox, Mailbox]:
    """The study's and the node's; both look often and soon lose patience."""
    for name, seconds in {"TICK_SECONDS": 0.01, "BEAT_SECONDS": 0.1, "SILENCE_SECONDS": 1.0}.items():
        monkeypatch.setattr(mailbox, name, seconds)
    study, node = (Mailbox(ArtifactStore(f"file://{tmp_path}/store", tmp_path / name), "mail/x/1") for name in ("study", "node"))
    study.ask({"do": "something"})
    return study, node


class Reporting:
    """A node that reports what `batches` gives, in a thread."""

    def __init__(self, node: Mailbox, batches: Iterator[list[dict[str, Any]]]) -> None:
        self.n_given_up = 0
        self.last: Any = "not yet"
        self._thread = threading.Thread(target=self._report, args=(node, batches), daemon=True)
        self._thread.start()

    def _report(self, node: Mailbox, batches: Iterator[list[dict[str, Any]]]) -> None:
        self.last = node.report(batches, self._give_up)

    def _give_up(self) -> None:
        self.n_given_up += 1

    def ended(self, within_seconds: float = 5.0) -> bool:
        self._thread.join(within_seconds)
        return not self._thread.is_alive()


def read_to_the_end(study: Mailbox, also: int = 0) -> list[dict[str, Any]]:
    """All events; and so many signs of life more than events."""
    found: list[dict[str, Any]] = []
    deadline = time.monotonic() + 10
    n_empty = 0
    while DONE not in found or n_empty < also:
        assert time.monotonic() < deadline
        batch = study.read()
        found += batch or []
        n_empty += batch == []
        time.sleep(0.005)
    return found


def silent_for(seconds: float) -> Iterator[list[dict[str, Any]]]:
    time.sleep(seconds)
    yield [DONE]


def slowly(batches: list[list[dict[str, Any]]]) -> Iterator[list[dict[str, Any]]]:
    for batch in batches:
        time.sleep(0.1)
        yield batch


def test_events_arrive_once_and_in_order(sides):
    study, node = sides
    assert node.request() == {"do": "something"}
    reporting = Reporting(node, iter([STEPS[:2], STEPS[2:3], [*STEPS[3:], DONE]]))
    assert read_to_the_end(study) == [*STEPS, DONE]
    assert reporting.ended()
    assert (reporting.last, reporting.n_given_up) == (DONE, 0)


def test_a_node_without_news_gives_signs_of_life(sides):
    study, node = sides
    reporting = Reporting(node, silent_for(0.5))
    assert read_to_the_end(study, also=2) == [DONE]
    assert reporting.ended()


@pytest.mark.parametrize("is_removed", [True, False])
def test_a_node_stops_whose_study_wants_it_no_more_or_is_gone(sides, is_removed):
    study, node = sides
    reporting = Reporting(node, silent_for(3.0))
    began = time.monotonic()
    if is_removed:
        study.remove()
    assert reporting.ended()
    assert (reporting.last, reporting.n_given_up) == (None, 1)
    assert (time.monotonic() - began < 0.9) == is_removed, "it waits for a study that does not read"
    assert node.request() is None
    assert study.read() is None


class StoreError(Exception):
    """Stores raise errors of their own, which are no `OSError`."""


@pytest.mark.parametrize(("side", "method"), [("node", "put"), ("study", "fetch"), ("study", "delete")])
def test_a_store_that_is_away_for_a_moment_loses_nothing_and_doubles_nothing(sides, monkeypatch, side, method):
    """Also where it has done what it was asked for, though it has said otherwise."""
    study, node = sides
    store = (study if side == "study" else node)._store
    really, n_tried = getattr(store, method), 0

    def unreliable(*words: Any) -> None:
        nonlocal n_tried
        n_tried += 1
        if n_tried % 3 == 1:
            raise StoreError("away")
        really(*words)
        if n_tried % 3 == 2:
            raise StoreError("the answer was lost")

    monkeypatch.setattr(store, method, unreliable)
    reporting = Reporting(node, slowly([STEPS[:2], STEPS[2:], [DONE]]))
    assert read_to_the_end(study) == [*STEPS, DONE]
    assert reporting.ended()
    assert n_tried >= 3
