"""The stand-in checks what it gets by the standard's own example and refuses what is not signed."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import time

import httpx
import pytest

from tests.standins.base import HttpError
from tests.standins.faults import Faults
from tests.standins.webhook_receiver import SECRET, WebhookReceiver, verify

BODY = b'{"id":"1","aicall_id":"a","sequence":1}'


def headers(secret: str = SECRET, body: bytes = BODY, at: float | None = None) -> dict[str, str]:
    timestamp = str(int(time.time() if at is None else at))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"1.{timestamp}.".encode() + body, hashlib.sha256).digest()
    signature = "v1," + base64.b64encode(digest).decode()
    return {"webhook-id": "1", "webhook-timestamp": timestamp, "webhook-signature": signature}


async def test_what_is_signed_is_taken() -> None:
    async with WebhookReceiver() as receiver, httpx.AsyncClient() as http:
        answer = await http.post(receiver.url, content=BODY, headers=headers())
        assert answer.status_code == 204
        assert receiver.ids() == ["1"]
        assert receiver.sequences("a") == [1]
        assert receiver.received[0].body == BODY


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        headers("whsec_" + "QUJD" * 10),
        headers(body=b"{}"),
        headers(at=1_000_000_000),
        headers() | {"webhook-signature": "v2," + headers()["webhook-signature"][3:]},
        headers() | {"webhook-id": "2"},
    ],
)
async def test_what_is_not_signed_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(HttpError):
        verify(SECRET, wrong, BODY)
    async with WebhookReceiver() as receiver, httpx.AsyncClient() as http:
        assert (await http.post(receiver.url, content=BODY, headers=wrong)).status_code == 401
        assert receiver.received == []


def test_one_of_several_signatures_is_enough() -> None:
    signed = headers()
    verify(SECRET, signed | {"webhook-signature": "v1,AAAA " + signed["webhook-signature"]}, BODY)


async def test_faults() -> None:
    async with WebhookReceiver() as receiver, httpx.AsyncClient() as http:
        receiver.faults = Faults(status=429, retry_after_s=7)
        answer = await http.post(receiver.url, content=BODY, headers=headers())
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
        for broken in (Faults(drop_after=0), Faults(close_after=0), Faults(garbage_after=0)):
            receiver.faults = broken
            with pytest.raises(httpx.TransportError):
                await http.post(receiver.url, content=BODY, headers=headers())
        receiver.faults = Faults(stall_after=0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await http.post(receiver.url, content=BODY, headers=headers(), timeout=20)
        receiver.faults, receiver.aicall_faults = Faults(), {"a": 500}
        assert (await http.post(receiver.url, content=BODY, headers=headers())).status_code == 500
        assert receiver.received == []


async def test_a_redirect_and_a_wrong_path() -> None:
    async with WebhookReceiver(redirect="http://127.0.0.1:1/") as receiver, httpx.AsyncClient() as http:
        answer = await http.post(receiver.url, content=BODY, headers=headers())
        assert (answer.status_code, answer.headers["location"]) == (307, "http://127.0.0.1:1/")
        assert (await http.post(receiver.http_url + "/elsewhere", content=BODY)).status_code == 404
