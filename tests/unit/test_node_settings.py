"""What a node itself decides by its environment: how much it keeps of what the runs on it needed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from bertft_core.artifacts.artifact_store import ArtifactStore
from bertft_core.config import UserError
from bertft_core.training import remote
from flows.run_one import events_of
from tasks.engines.node_needs import CACHE_GIB, cache_bytes, installed

GIB = 2**30


@pytest.mark.parametrize(
    ("given", "expected"), [("", 50 * GIB), (" ", 50 * GIB), ("0", 0), ("0.5", GIB // 2), ("200", 200 * GIB)]
)
def test_the_limit_is_in_gib(monkeypatch, given, expected):
    monkeypatch.setenv(CACHE_GIB, given)
    assert cache_bytes() == expected


@pytest.mark.parametrize("given", ["50GB", "-1", "nan", "inf"])
def test_what_is_no_size_is_refused(monkeypatch, given):
    monkeypatch.setenv(CACHE_GIB, given)
    with pytest.raises(UserError) as refused:
        cache_bytes()
    assert refused.value.code == "node.cache-limit"
    assert refused.value.found == f"{CACHE_GIB}={given}"


def test_a_slot_of_a_work_pool_has_it_or_says_why_not(tmp_path, monkeypatch):
    found, limits = SimpleNamespace(_asdict=dict), []
    slot = SimpleNamespace(dir=tmp_path, limit_cache=limits.append, probe_kernels=lambda threads: found)
    request = {"versions": installed(), "threads": 1}
    monkeypatch.setenv(CACHE_GIB, "2")
    assert [event["kind"] for events in events_of(slot, request) for event in events] == ["kernels", "done"]
    assert limits == [2 * GIB]
    monkeypatch.setenv(CACHE_GIB, "much")
    (said,) = [event for events in events_of(slot, request) for event in events]
    assert said["user"]["code"] == "node.cache-limit"


def test_a_slot_keeps_no_more_than_that_for_later(tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "Slots", lambda environments, logs: SimpleNamespace(close=lambda: None))
    address, cache = f"file://{tmp_path}/store", tmp_path / "node" / "cache"
    (tmp_path / "weights").write_bytes(bytes(100))
    for key in ("encoder/1", "encoder/2"):
        ArtifactStore(address, cache).put(key, tmp_path, ["weights"])
    ArtifactStore(address, cache).get("encoder/1")  # an earlier slot, which has ended
    slot = remote.NodeSlot(tmp_path / "node", address, {})
    slot.limit_cache(0)
    slot._store.get("encoder/2")
    assert [path.name for path in (cache / "encoder").glob("[0-9]")] == ["2"]
