"""A client of Prefect that is made while the server is away waits for it, as long as a study runs."""

from __future__ import annotations

import httpx
import pytest
from prefect.client.base import PrefectHttpxAsyncClient, PrefectHttpxSyncClient
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from tasks.prefect_patience import known_server


def away(asked: list[httpx.Request]):
    """Of a server that answers only when it is asked again."""

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if len(asked) < 3:
            raise httpx.ConnectError("nobody listens there")
        return httpx.Response(200)

    return httpx.MockTransport(answer)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """No pauses."""

    async def pass_on(seconds: float) -> None:
        pass

    monkeypatch.setattr("prefect.client.base.time.sleep", lambda seconds: None)
    monkeypatch.setattr("prefect.client.base.anyio.sleep", pass_on)
    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 4}):
        yield


def test_a_first_request_is_repeated_while_a_study_runs():
    asked: list[httpx.Request] = []
    with known_server(), PrefectHttpxSyncClient(transport=away(asked), base_url="http://x") as client:
        assert client.get("/").status_code == 200
    assert len(asked) == 3


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_also_by_clients_of_prefects_own_threads():
    asked: list[httpx.Request] = []
    with known_server():
        async with PrefectHttpxAsyncClient(transport=away(asked), base_url="http://x") as client:
            assert (await client.get("/")).status_code == 200
    assert len(asked) == 3


def test_a_client_made_meanwhile_stays_usable_afterwards():
    asked: list[httpx.Request] = []
    with known_server():
        client = PrefectHttpxSyncClient(transport=away(asked), base_url="http://x")
    assert client.get("/").status_code == 200


def test_it_lasts_until_the_outer_of_two_blocks_ends():
    """That of a command has that of its study in it."""
    asked: list[httpx.Request] = []
    with known_server():
        with known_server():
            pass
        with PrefectHttpxSyncClient(transport=away(asked), base_url="http://x") as client:
            assert client.get("/").status_code == 200
    assert len(asked) == 3


def test_elsewhere_a_wrong_address_is_reported_at_once():
    asked: list[httpx.Request] = []
    with known_server():
        pass
    with PrefectHttpxSyncClient(transport=away(asked), base_url="http://x") as client, pytest.raises(httpx.ConnectError):
        client.get("/")
    assert len(asked) == 1
