"""For every test."""

import signal


def pytest_configure() -> None:
    """Ctrl-C ends what the tests start, also where pytest itself runs as a background job, whose children would ignore it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
