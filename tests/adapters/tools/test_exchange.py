from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from adapters.tools.exchange import MOST_BYTES, Answer, exchange
from models.errors import ToolFailed
from tests.adapters.tools.clients import local_client
from tests.standins.faults import Faults
from tests.standins.tools import ToolStandIn

HEADERS = {"Idempotency-Key": "key-1", "X-Own": "1"}


@asynccontextmanager
async def server(**common: Any) -> AsyncIterator[ToolStandIn]:
    async with ToolStandIn(**common) as stand_in:
        yield stand_in
        await stand_in.all_closed()


async def ask(stand_in: ToolStandIn, *, timeout_s: float = 10.0, **changes: Any) -> Answer:
    request = {"headers": HEADERS, "timeout_s": timeout_s, "body": b'{"a":1}', **changes}
    async with local_client() as client:
        return await exchange(client, "POST", f"{stand_in.http_url}/tool", **request)


@pytest.mark.parametrize(
    ("sent", "content"),
    [({"a": [1]}, {"a": [1]}), ([1], [1]), ("plain text", "plain text"), ("7", 7), (None, None), ("  ", None)],
)
async def test_what_comes_back(sent: Any, content: Any) -> None:
    async with server() as stand_in:
        stand_in.answers["tool"] = sent
        assert await ask(stand_in) == Answer(200, content)
        [request] = stand_in.requests
        assert request.body == {"a": 1}
        assert {request.headers[name.lower()] for name in HEADERS} == {"key-1", "1"}


async def test_a_lost_connection_is_tried_once_more_with_the_same_key() -> None:
    async with server() as stand_in:
        stand_in.lose = 1
        assert (await ask(stand_in)).content == {"temperature": 21}
        assert [it.headers["idempotency-key"] for it in stand_in.requests] == ["key-1", "key-1"]
        assert stand_in.bodies == [b'{"a":1}'] * 2


async def test_two_lost_connections_are_enough() -> None:
    async with server() as stand_in:
        stand_in.lose = 9
        with pytest.raises(ToolFailed, match="cannot be reached") as caught:
            await ask(stand_in)
        assert caught.value.retryable
        assert len(stand_in.requests) == 2


async def test_nobody_there() -> None:
    async with server() as stand_in:
        pass
    with pytest.raises(ToolFailed, match="cannot be reached"):
        await ask(stand_in)


async def test_an_answer_that_does_not_come_is_not_asked_for_again() -> None:
    async with server(faults=Faults(delay_s=30)) as stand_in:
        with pytest.raises(ToolFailed, match="did not answer in time"):
            await ask(stand_in, timeout_s=0.2)
        assert len(stand_in.requests) == 1


@pytest.mark.parametrize(("status", "retryable"), [(302, False), (400, False), (404, False), (500, True), (503, True)])
async def test_a_status_that_is_no_success(status: int, retryable: bool) -> None:
    async with server() as stand_in:
        stand_in.answers["tool"], stand_in.statuses["tool"] = "no customer 7 " + "x" * 5_000, status
        with pytest.raises(ToolFailed) as caught:
            await ask(stand_in)
        assert str(status) in caught.value.message
        assert caught.value.detail.startswith("no customer 7")
        assert len(caught.value.detail) == 1_000
        assert caught.value.retryable is retryable
        assert len(stand_in.requests) == 1


async def test_an_answer_without_end_is_broken_off() -> None:
    async with server() as stand_in:
        stand_in.answers["tool"] = "x" * MOST_BYTES
        assert len((await ask(stand_in)).content) == MOST_BYTES
        stand_in.answers["tool"] = "x" * (MOST_BYTES + 1)
        with pytest.raises(ToolFailed, match="too large"):
            await ask(stand_in)


async def test_a_private_network_is_not_reached() -> None:
    async with server() as stand_in, local_client(allow_private=False) as client:
        with pytest.raises(ToolFailed, match="private network") as caught:
            await exchange(client, "POST", f"{stand_in.http_url}/tool", headers={}, timeout_s=5)
        assert not caught.value.retryable
        assert stand_in.requests == []


async def test_the_query_is_added_to_the_urls_own() -> None:
    async with server() as stand_in, local_client() as client:
        url = f"{stand_in.http_url}/tool?fixed=1&a=0"
        await exchange(client, "GET", url, headers={}, timeout_s=5, params={"b": "x y&z"})
        assert stand_in.requests[0].query == {"fixed": "1", "a": "0", "b": "x y&z"}
