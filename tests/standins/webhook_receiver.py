"""A customer's server that takes webhooks, after Standard Webhooks 1.0 (https://www.standardwebhooks.com).

It checks each signature as the standard tells consumers to, with code of its own, and refuses what does not pass.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from aiohttp import web

from tests.standins.base import HttpError, LoggedRequest, StandIn
from tests.standins.faults import Gate, Verdict

SECRET = "whsec_" + base64.b64encode(b"the receiver's very own secret!!").decode()
TOLERANCE_S = 300


@dataclass(frozen=True)
class Received:
    """One event that was acknowledged.

    Attributes:
        event: The envelope.
        webhook_id: The header of that name.
        body: The exact bytes.
        at: When it came, seconds since 1970.
    """

    event: dict[str, Any]
    webhook_id: str
    body: bytes
    at: float


class WebhookReceiver(StandIn):
    """A customer's server on loopback; `url` is what a webhook is made with.

    Every fault of `Faults` works: ``status`` (with ``retry_after_s``), ``delay_s``, ``answer``, and, counted as the one
    message that an answer is, ``stall_after=0``, ``drop_after=0``, ``close_after=0`` and ``garbage_after=0``. A fault
    for single AIcalls stands in `aicall_faults`.

    Args:
        secret: What events are signed with; None checks no signature.
        path: The path that it takes events at.
        redirect: Answer with a redirect to there.
        **common: Arguments of `StandIn`.
    """

    ENDPOINTS: ClassVar[tuple[str, ...]] = ("hook",)

    def __init__(
        self, secret: str | None = SECRET, *, path: str = "/hook", redirect: str | None = None, **common: Any
    ) -> None:
        super().__init__(keys=None, **common)
        self.secret = secret
        self.received: list[Received] = []
        self.aicall_faults: dict[str, int] = {}
        self.running = 0
        self.most_running = 0
        self._path = path
        self._redirect = redirect
        self._bodies: dict[int, bytes] = {}

    @property
    def base_url(self) -> str:
        return self.http_url

    @property
    def url(self) -> str:
        return self.http_url + self._path

    def ids(self) -> list[str]:
        """The ids of the events that were acknowledged, in order, repeats included."""
        return [one.webhook_id for one in self.received]

    def sequences(self, aicall_id: object) -> list[int]:
        """The sequences of an AIcall's events that were acknowledged, in order, repeats included."""
        return [one.event["sequence"] for one in self.received if one.event["aicall_id"] == str(aicall_id)]

    def route(self, request: web.BaseRequest) -> str:
        if request.method != "POST" or request.path != self._path:
            raise HttpError(404)
        return "hook"

    def key_of(self, request: web.BaseRequest) -> str | None:
        return request.headers.get("webhook-signature")

    def error(self, status: int, message: str | None, detail: Mapping[str, Any]) -> web.Response:
        return web.Response(status=status, text=message or "")

    def parse_body(self, request: web.BaseRequest, body: bytes) -> Any:
        self._bodies[id(request)] = body
        return super().parse_body(request, body)

    async def answer(self, request: web.BaseRequest, log: LoggedRequest) -> web.StreamResponse:
        body = self._bodies.pop(id(request))
        if self.secret is not None:
            verify(self.secret, log.headers, body)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            return await self._answer(request, log, body)
        finally:
            self.running -= 1

    async def _answer(self, request: web.BaseRequest, log: LoggedRequest, body: bytes) -> web.StreamResponse:
        status = self.aicall_faults.get(log.body["aicall_id"])
        if status is not None:
            raise HttpError(status)
        if self._redirect is not None:
            return web.Response(status=307, headers={"Location": self._redirect})
        verdict = await Gate(lambda: self.faults_of("hook"), request.transport).next()
        if verdict is Verdict.SWALLOW:
            await asyncio.Event().wait()
        if verdict is Verdict.GARBAGE:
            assert isinstance(request.transport, asyncio.Transport)
            request.transport.write(b"\x00this is no HTTP\r\n\r\n")
            request.transport.close()
            raise ConnectionResetError
        self.received.append(Received(log.body, log.headers["webhook-id"], body, time.time()))
        self.note_received()
        return web.Response(status=204)


def verify(secret: str, headers: Mapping[str, str], body: bytes) -> None:
    """Check a message as a consumer does.

    Raises:
        HttpError: With status 401.
    """
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not message_id or not timestamp.isdigit() or abs(time.time() - int(timestamp)) > TOLERANCE_S:
        raise HttpError(401)
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = message_id.encode() + b"." + timestamp.encode() + b"." + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    given = [one.partition(",") for one in headers.get("webhook-signature", "").split(" ")]
    if not any(version == "v1" and hmac.compare_digest(expected, value) for version, _, value in given):
        raise HttpError(401)
