"""The folder in which a refusal is provoked."""

import pytest

from tests.refusals.refusal import link, make_shared


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """What the refusals of all rows read."""
    directory = tmp_path_factory.mktemp("refusals")
    make_shared(directory)
    return directory


@pytest.fixture
def folder(shared, tmp_path, monkeypatch):
    """The current folder of the command."""
    link(shared, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BERTFT_HOME", str(tmp_path / "home"))
    return tmp_path
