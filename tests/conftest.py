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
    """The folders with the longest files come first; each file runs in one process (`--dist loadfile`)."""
    root = Path(__file__).parent
    items.sort(key=lambda item: ORDER.index(item.path.relative_to(root).parts[0]))
