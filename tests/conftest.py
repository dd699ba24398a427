"""For every test."""

import signal
from pathlib import Path

import pytest

ORDER = ("flows", "docs", "contract", "golden", "architecture", "unit")
"""Folders of tests, those with the longest files first, so that no long one is left for the end."""


def pytest_configure() -> None:
    """Ctrl-C ends what the tests start, also where pytest itself runs as a background job, whose children would ignore it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one file run in one process (`--dist loadgroup`), and all files that need the Prefect server in the same one."""
    on_server = {item.path for item in items if "server" in getattr(item, "fixturenames", ())}
    root = Path(__file__).parent

    def rank(item: pytest.Item) -> tuple[int, bool]:
        folder = item.path.relative_to(root).parts[0]
        return ORDER.index(folder), item.path not in on_server

    items.sort(key=rank)
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            name = "server" if item.path in on_server else item.path.relative_to(root).as_posix()
            item.add_marker(pytest.mark.xdist_group(name))
