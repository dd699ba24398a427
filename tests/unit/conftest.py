"""What no unit test waits for."""

import functools
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    """A killed process loses nothing it wrote; only a power cut would. What is synced, and when, has tests that look on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def _encoders_are_checked_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """All homes of a process share what was found out about encoders; the checks have tests that call them themselves."""
    from bertft_core.data import prepare_study_data
    from bertft_core.data.proved_encoder import prove_encoder
    from bertft_core.recipes import measure_data
    from bertft_core.training import trial_step

    home, try_once = tmp_path_factory.mktemp("checked"), trial_step._try_once
    with pytest.MonkeyPatch.context() as patch:
        for module in (prepare_study_data, measure_data):
            patch.setattr(module, "prove_encoder", lambda encoder, head, home_dir: prove_encoder(encoder, head, home))
        patch.setattr(trial_step, "_try_once", lambda study, card, home_dir: try_once(study, card, home))
        yield


@pytest.fixture(scope="session", autouse=True)
def _the_installed_encoder_is_hashed_once() -> Iterator[None]:
    """No test changes its 90 MB of weights."""
    from bertft_core.data import encoder_files

    sha256_of = encoder_files.weights_sha256
    of_installed = functools.cache(sha256_of)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            encoder_files,
            "weights_sha256",
            lambda files: (of_installed if "site-packages" in files[0].parts else sha256_of)(tuple(files)),
        )
        yield


@pytest.fixture(scope="module")
def blank_pictures() -> Iterator[None]:
    """A module's reports have no drawings, which take most of their time; those are drawn by tests of their own."""
    from markupsafe import Markup

    from bertft_core.report.drawings.picture import Picture

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Picture, "svg", Markup('<svg viewBox="0 0 10 10" width="10"></svg>'))
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


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """A bucket in a double of S3."""
    import fsspec

    from tests.helpers.s3_double import s3_double

    with s3_double() as variables, pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        fsspec.filesystem("s3").mkdir("bertft")
        yield "s3://bertft"


@pytest.fixture(params=["file", "memory", pytest.param("s3", marks=pytest.mark.slow)])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An artifact store of one's own, in each kind of place."""
    import fsspec

    if request.param == "file":
        yield f"file://{tmp_path / 'artifacts'}"
        return
    within = request.getfixturevalue("s3") + "/" if request.param == "s3" else "memory://"
    root = f"{within}{uuid.uuid4().hex}"
    yield root
    with suppress(FileNotFoundError):  # a bucket has no empty folders
        fsspec.filesystem(request.param).rm(root, recursive=True)
