"""Of Prefect's clients many are made while a study runs: each waits for a server that is away, also with its first request."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prefect.client.base import PrefectHttpxAsyncClient, PrefectHttpxSyncClient

KNOWN = "_has_connected"
"""Whether a client repeats a request that nobody answers: by default only where an earlier one of its own was answered."""


@contextmanager
def known_server() -> Iterator[None]:
    """The server has answered others, so it will be back: without this, a client made while it is away fails its task at once."""
    kinds: tuple[Any, ...] = (PrefectHttpxAsyncClient, PrefectHttpxSyncClient)
    before = [vars(kind).get(KNOWN, True) for kind in kinds]  # True for clients that are made meanwhile
    for kind in kinds:
        setattr(kind, KNOWN, property(lambda client: True, lambda client, value: None))
    try:
        yield
    finally:
        for kind, value in zip(kinds, before, strict=True):
            setattr(kind, KNOWN, value)
