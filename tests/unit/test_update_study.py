"""A study whose data have changed is compared with what it found before, also after a kill."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from bertft_core.records.summary import StudySummary
from bertft_core.storage.study_dir import StudyDir, write_record
from flows import update_study as flow
from tests.helpers.small_records import make_study


class Killed(BaseException):
    """As by a signal."""


@pytest.fixture
def update(tmp_path, monkeypatch):
    """Update a study with data of some version, and be killed at some place; its message."""
    study = make_study()
    study_dir = StudyDir(tmp_path, study.name)
    study_dir.path.mkdir(parents=True)
    shown: list[str] = []

    def updated(data: str, *, killed_in: str | None = None) -> str:
        summary = StudySummary(
            study="small",
            study_digest="d" * 64,
            data_fingerprint=data * 64,
            headline_split="test",
            headline_checkpoint="best",
            headline_metric="accuracy",
            arms=(),
        )

        def carry_out(command: object) -> SimpleNamespace:
            write_record(study_dir.summary_path, summary)
            if killed_in == "report":
                raise Killed
            return SimpleNamespace(results=SimpleNamespace(summary=summary))

        def show_moved(key: str, *_: object) -> None:
            if killed_in == "artifact":
                raise Killed
            shown.append(key)

        monkeypatch.setattr(flow, "carry_out", carry_out)
        monkeypatch.setattr(flow, "show_moved", show_moved)
        monkeypatch.setattr(flow, "settle_environment", lambda: None)
        values = study.model_dump(mode="json", exclude_unset=True)
        return str(flow.update_study.fn(values, (), str(tmp_path)).message)

    updated.shown = shown  # type: ignore[attr-defined]
    return updated


@pytest.mark.parametrize("place", ["report", "artifact"])
def test_an_update_that_was_killed_is_compared_by_the_next_one(update, place):
    assert update("a") == "the study has run for the first time"
    with pytest.raises(Killed):
        update("b", killed_in=place)
    assert update("b").startswith("new data: ")
    assert update.shown == ["small-update"]
    assert update("b") == "the data have not changed since the last run"
    assert update("c").startswith("new data: ")
