"""The webhook sink against a customer's server on loopback."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from adapters.events.webhook import WebhookSink, retry_after_s
from adapters.guard import AddressGuard, guarded_client
from models.errors import DeliveryFailed
from models.webhook import Webhook
from tests.adapters.events.contract import PATIENCE_S, TIMEOUT_S, Arrived, Peer, SinkContract, make_event
from tests.adapters.store.samples import CUSTOMER, at
from tests.standins.faults import Faults
from tests.standins.webhook_receiver import SECRET, WebhookReceiver


def webhook_to(url: str, secret: str = SECRET) -> Webhook:
    return Webhook(id=uuid4(), customer_id=CUSTOMER, url=url, secret=SecretStr(secret), tm_create=at())


def now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def client(*, allow_private: bool = True, **guarding: Any) -> AsyncIterator[httpx.AsyncClient]:
    guard = AddressGuard(allow_private=allow_private, **guarding)
    async with guarded_client(guard, ssl.create_default_context()) as http:
        yield http


class Customer(Peer):
    def __init__(self, receiver: WebhookReceiver, sink: WebhookSink) -> None:
        self.receiver = receiver
        self.sink = sink

    async def arrived(self) -> Sequence[Arrived]:
        return [Arrived(one.webhook_id, one.body) for one in self.receiver.received]

    async def go_away(self) -> None:
        await self.receiver.refuse()
        self.receiver.drop_connections()

    async def come_back(self) -> None:
        self.receiver.faults.stall_after = None
        await self.receiver.accept()

    async def stall(self) -> None:
        self.receiver.faults.stall_after = 0


@asynccontextmanager
async def customer(timeout_s: float = TIMEOUT_S) -> AsyncIterator[Customer]:
    async with WebhookReceiver() as receiver, client() as http:
        yield Customer(receiver, WebhookSink(webhook_to(receiver.url), http, timeout_s=timeout_s, clock=now))


class TestWebhook(SinkContract):
    def running(self, request: pytest.FixtureRequest) -> AbstractAsyncContextManager[Customer]:
        return customer()


async def failure(sink: WebhookSink) -> DeliveryFailed:
    with pytest.raises(DeliveryFailed) as failed:
        async with asyncio.timeout(PATIENCE_S):
            await sink.deliver(make_event(), customer_id=CUSTOMER)
    return failed.value


@pytest.mark.parametrize(
    ("faults", "code", "rest_s"),
    [
        (Faults(status=400), "http_400", None),
        (Faults(status=401), "http_401", None),
        (Faults(status=404, retry_after_s=5), "http_404", None),
        (Faults(status=429, retry_after_s=7), "http_429", 7),
        (Faults(status=429), "http_429", None),
        (Faults(status=500), "http_500", None),
        (Faults(status=503, retry_after_s=3), "http_503", 3),
        (Faults(drop_after=0), "broke_off", None),
        (Faults(close_after=0), "broke_off", None),
        (Faults(garbage_after=0), "broke_off", None),
        (Faults(delay_s=2 * TIMEOUT_S), "timeout", None),
        (Faults(answer=("text/html", b"<p>a gateway"), status=502), "http_502", None),
    ],
)
async def test_failures_are_told_apart_and_tried_again(faults: Faults, code: str, rest_s: float | None) -> None:
    async with customer() as peer:
        peer.receiver.faults = faults
        failed = await failure(peer.sink)
        assert (failed.code, failed.retry_after_s, failed.retryable) == (code, rest_s, True)
        peer.receiver.faults = Faults()
        await peer.sink.deliver(make_event(), customer_id=CUSTOMER)


async def test_gone_is_for_good() -> None:
    async with customer() as peer:
        peer.receiver.faults = Faults(status=410)
        failed = await failure(peer.sink)
        assert (failed.code, failed.gone, failed.retryable) == ("gone", True, False)


async def test_a_redirect_is_not_followed() -> None:
    async with WebhookReceiver() as target, WebhookReceiver(redirect=target.url) as receiver, client() as http:
        sink = WebhookSink(webhook_to(receiver.url), http, timeout_s=PATIENCE_S, clock=now)
        assert (await failure(sink)).code == "http_307"
        assert target.requests == []


async def test_a_private_address_is_not_dialled() -> None:
    async with WebhookReceiver() as receiver, client(allow_private=False) as http:
        for host in ("127.0.0.1", "localhost"):
            url = f"http://{host}:{receiver.port}/hook"
            sink = WebhookSink(webhook_to(url), http, timeout_s=PATIENCE_S, clock=now)
            assert (await failure(sink)).code == "forbidden_address"
        assert receiver.connections_made == 0


async def test_a_name_that_leads_inside_is_not_dialled() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    async with WebhookReceiver() as receiver, client(allow_private=False, resolve=resolve) as http:
        url = f"http://hooks.example.com:{receiver.port}/hook"
        sink = WebhookSink(webhook_to(url), http, timeout_s=PATIENCE_S, clock=now)
        assert (await failure(sink)).code == "forbidden_address"
        assert receiver.connections_made == 0


async def test_a_wrong_secret_is_noticed_by_the_receiver() -> None:
    async with WebhookReceiver() as receiver, client() as http:
        other = webhook_to(receiver.url, "whsec_" + "QUJD" * 10)
        assert (await failure(WebhookSink(other, http, timeout_s=PATIENCE_S, clock=now))).code == "http_401"
        late = WebhookSink(
            webhook_to(receiver.url), http, timeout_s=PATIENCE_S, clock=lambda: now() - timedelta(hours=1)
        )
        assert (await failure(late)).code == "http_401"


async def test_what_a_consumer_sees() -> None:
    async with customer() as peer:
        event = make_event()
        for _ in range(2):
            await peer.sink.deliver(event, customer_id=CUSTOMER)
        first, second = peer.receiver.requests
        assert first.headers["content-type"] == "application/json"
        assert first.headers["webhook-id"] == second.headers["webhook-id"] == event.id
        assert first.headers["user-agent"].startswith("aicall")
        assert peer.receiver.connections_made == 1
        assert SECRET not in str(first.headers)


async def test_a_very_long_answer_is_not_read_to_its_end() -> None:
    async with customer(PATIENCE_S) as peer:
        peer.receiver.faults = Faults(answer=("text/plain", b"x" * 5_000_000))
        await peer.sink.deliver(make_event(), customer_id=CUSTOMER)
        await peer.sink.deliver(make_event(2), customer_id=CUSTOMER)
        assert len(peer.receiver.requests) == 2


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", None),
        ("soon", None),
        ("12", 12.0),
        (" 0 ", 0.0),
        ("-3", None),
        ("1.5", None),
        ("9" * 400, 999_999_999.0),
        ("Sun, 01 Mar 2026 12:01:00 GMT", 60.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("Sun, 01 Mar 2026 12:01:00 -0000", 60.0),
        ("Sun, 99 Mar 2026 12:01:00 GMT", None),
    ],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    assert retry_after_s(text, at()) == seconds
