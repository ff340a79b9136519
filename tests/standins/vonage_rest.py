"""Vonage's Voice API (https://developer.vonage.com/en/api/voice): calls that are in progress."""

from __future__ import annotations

from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.standins.base import HttpError
from tests.standins.call_rest import CallRestStandIn, Deed

APPLICATION = "78d335fa-323d-0114-9c3d-d6f0d48968cf"
_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PRIVATE_KEY = _KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
"""Key of the application; another one in each run."""


class VonageRestStandIn(CallRestStandIn):
    """Vonage."""

    @property
    def base_url(self) -> str:
        return f"{self.http_url}/v1"

    def key_is_good(self, request: web.BaseRequest) -> bool:
        try:
            required = {"require": ["iat", "jti", "exp"]}
            claims = jwt.decode(self.key_of(request) or "", _KEY.public_key(), algorithms=["RS256"], options=required)
        except jwt.PyJWTError:
            return False
        return bool(claims["application_id"] == APPLICATION)

    def error(self, status: int, message: str | None, detail: Any) -> web.Response:
        return web.json_response({"title": "Error", "detail": message or "no"}, status=status)

    async def act(self, request: web.BaseRequest, body: Any, *path: str) -> web.Response:
        match request.method, *path:
            case ["GET", "v1", "calls", call] if call in self.states:
                return web.json_response({"uuid": call, "status": "answered" if self.live(call) else "completed"})
            case ["PUT", "v1", "calls", call, *beneath] if call in self.states:
                if not self.live(call):
                    raise HttpError(400, "Bad Request")
                return self._modify(call, body, beneath)
        raise HttpError(404, "Call does not exist")

    def _modify(self, call: str, body: Any, beneath: list[str]) -> web.Response:
        if beneath == ["dtmf"]:
            self.done.append(Deed("dtmf", call, body["digits"]))
            return web.json_response({"message": "DTMF sent", "uuid": call})
        match body:
            case {"action": "hangup"}:
                self.hang_up(call)
            case {"action": "transfer", "destination": {"type": "ncco", "ncco": [action]}}:
                [endpoint] = action["endpoint"]
                kind = {"phone": "tel", "sip": "sip"}[endpoint["type"]]
                target = endpoint["uri"] if kind == "sip" else f"+{endpoint['number']}"
                self.done.append(Deed("transfer", call, [(kind, target)], action.get("from", "")))
            case _:
                raise HttpError(400, "unknown action")
        return web.Response(status=204)
