"""Servers that tools talk to: a customer's HTTP tool, and the orchestrator's tool webhook.

The webhook's signature is checked after https://www.standardwebhooks.com/ (specification 1.0), independently of ours.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Any, ClassVar

from aiohttp import web

from tests.standins.base import HttpError, LoggedRequest, StandIn

SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes ....").decode()
TOLERANCE_S = 300


class ToolStandIn(StandIn):
    """Answers ``/tool`` as a customer's tool and ``/webhook`` as the orchestrator.

    Args:
        **common: Arguments of `StandIn`.

    Attributes:
        answers: What each endpoint answers: JSON, text, or None for an empty body.
        lose: How many requests more lose their connection before they are answered.
        bodies: The bytes of each body, in order.
    """

    ENDPOINTS: ClassVar[tuple[str, ...]] = ("tool", "webhook")

    def __init__(self, **common: Any) -> None:
        super().__init__(**{"keys": None, **common})
        self.answers: dict[str, Any] = {"tool": {"temperature": 21}, "webhook": {"message": "accepted"}}
        self.statuses: dict[str, int] = {}
        self.lose = 0
        self.bodies: list[bytes] = []

    @property
    def base_url(self) -> str:
        return self.http_url

    def route(self, request: web.BaseRequest) -> str:
        name = request.path.strip("/")
        if name not in self.ENDPOINTS:
            raise HttpError(404)
        return name

    def key_of(self, request: web.BaseRequest) -> str | None:
        return request.headers.get("Authorization", "none")

    def parse_body(self, request: web.BaseRequest, body: bytes) -> Any:
        self.bodies.append(body)
        return super().parse_body(request, body)

    def error(self, status: int, message: str | None, detail: Mapping[str, Any]) -> web.Response:
        return web.json_response({"message": message or "no"}, status=status)

    async def answer(self, request: web.BaseRequest, log: LoggedRequest) -> web.StreamResponse:
        if self.lose:
            self.lose -= 1
            assert request.transport is not None
            request.transport.close()
            raise ConnectionResetError
        if log.endpoint == "webhook":
            check_signature(log.headers, self.bodies[-1])
        answer, status = self.answers[log.endpoint], self.statuses.get(log.endpoint, 200)
        if answer is None:
            return web.Response(status=status)
        if isinstance(answer, str):
            return web.Response(text=answer, status=status)
        return web.json_response(answer, status=status)


def check_signature(headers: Mapping[str, str], body: bytes) -> None:
    """Refuse what was not signed with `SECRET` just now, as a receiver must.

    Raises:
        HttpError: With status 401.
    """
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    given = [it.partition(",")[2] for it in headers["webhook-signature"].split(" ")]
    fresh = abs(time.time() - int(headers["webhook-timestamp"])) < TOLERANCE_S
    if expected not in given or not fresh:
        raise HttpError(401, "the signature is wrong")
