"""What no unit test waits for."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    """A killed process loses nothing it wrote; only a power cut would. What is synced, and when, has tests that look on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session")
def empty_mlflow_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database as MLflow creates it, which takes it a second: every migration it has ever had, one after the other."""
    from tasks.tracking import mlflow_store  # slow

    path = tmp_path_factory.mktemp("mlflow") / "empty.db"
    mlflow_store._create(path)
    return path


@pytest.fixture(scope="module")
def copied_mlflow_stores(empty_mlflow_store: Path) -> Iterator[None]:
    """A module's stores are copies of an empty one; how one is created has tests of its own in test_mlflow_store."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.tracking.mlflow_store._create", lambda path: shutil.copyfile(empty_mlflow_store, path))
        yield


@pytest.fixture
def copied_mlflow_store(empty_mlflow_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store of one test is a copy of an empty one."""
    monkeypatch.setattr("tasks.tracking.mlflow_store._create", lambda path: shutil.copyfile(empty_mlflow_store, path))
