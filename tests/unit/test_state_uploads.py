"""States of a run on their way to the store: what the worker has deleted meanwhile waits, what the store refuses is reported."""

from __future__ import annotations

from typing import Any

import pytest

from bertft_core.artifacts.artifact_store import ArtifactStore
from bertft_core.training.curve_file import OnEvent
from bertft_core.training.state_uploads import CURVES, StateUploads


@pytest.fixture
def uploads(tmp_path):
    """Uploads of a run that has saved one state, and what they report."""
    reported: list[dict[str, Any]] = []
    on_event: OnEvent = reported.append
    store = ArtifactStore(f"file://{tmp_path}/store", tmp_path / "cache")
    uploads = StateUploads(store, "state/x", tmp_path / "run", tmp_path / "snapshot", 60.0, on_event)
    state = tmp_path / "run" / "checkpoint" / "step-00000001"
    state.mkdir(parents=True)
    (state / "position.json").write_text("{}")
    (tmp_path / "run" / CURVES).write_text("")
    return uploads, store, reported


def test_a_state_is_stored_once(uploads):
    states, store, reported = uploads
    assert states._upload_newest()
    assert store.names("state/x") == {CURVES, "checkpoint/step-00000001/position.json"}
    assert not states._upload_newest()
    assert reported == []


def test_a_store_that_is_missing_is_reported_and_tried_again_at_the_next_interval(uploads, monkeypatch):
    states, store, reported = uploads

    def no_bucket(*_: object, **__: object) -> None:
        raise FileNotFoundError("The specified bucket does not exist")

    monkeypatch.setattr(store, "put", no_bucket)
    assert states._upload_newest()
    assert [event["text"] for event in reported] == [
        "the state of the run was not stored: FileNotFoundError: The specified bucket does not exist"
    ]
    monkeypatch.undo()
    assert states._upload_newest()
    assert store.has("state/x")


def test_a_state_that_is_deleted_for_a_newer_one_is_no_problem(uploads, tmp_path):
    states, store, reported = uploads
    (tmp_path / "run" / CURVES).unlink()
    assert not states._upload_newest()
    assert reported == []
    assert not store.has("state/x")
