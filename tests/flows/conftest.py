"""One Prefect server, one encoder and one MLflow store for the whole folder: a study then costs little but its processes."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from flows.cli.embedded_server import EmbeddedServer
from tasks.process_environment import SETTINGS
from tests.helpers.study_commands import WHOLE, TinyStudy, clean_environment, write_shared

NewStudy = Callable[..., TinyStudy]


class FinishedStudy(NamedTuple):
    """A study, and the command that ran it."""

    study: TinyStudy
    command: subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[EmbeddedServer]:
    """A Prefect server that is starting."""
    home = tmp_path_factory.mktemp("prefect")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in clean_environment(PREFECT_HOME=str(home), **SETTINGS).items():
            patch.setenv(name, value)
        started = EmbeddedServer(home / "server.log")
    with started:
        yield started


@pytest.fixture(scope="session")
def shared(tmp_path_factory) -> Path:
    """Texts, a tiny encoder and an empty MLflow store."""
    directory = tmp_path_factory.mktemp("shared")
    write_shared(directory)
    return directory


@pytest.fixture(scope="session")
def server_environment(server, shared, tmp_path_factory) -> dict[str, str]:
    """The environment of commands that find the server running; what the studies share was made meanwhile."""
    server.wait_until_ready()
    return clean_environment(PREFECT_API_URL=server.api_url, PREFECT_HOME=str(tmp_path_factory.mktemp("clients")))


@pytest.fixture(scope="session")
def finished(tmp_path_factory, shared, server_environment) -> FinishedStudy:
    """A study with two arms, a search and kept models, run once to its end; tests look at it and change nothing."""
    study = TinyStudy(tmp_path_factory.mktemp("finished"), shared, server_environment, **WHOLE)
    return FinishedStudy(study, study.run())


@pytest.fixture(scope="module")
def new_study(tmp_path_factory, shared, server_environment) -> NewStudy:
    """Makes a study in a folder of its own; keyword arguments replace keys of its config."""

    def make(**changes: Any) -> TinyStudy:
        return TinyStudy(tmp_path_factory.mktemp("study"), shared, server_environment, **changes)

    return make


@pytest.fixture
def finished_copy(finished, tmp_path) -> TinyStudy:
    """The finished study in a home of its own, to be changed."""
    return finished.study.copied_to(tmp_path)
