"""Plivo's REST API for calls (https://www.plivo.com/docs/voice/api/call), and Vobiz', a clone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tests.standins.base import HttpError
from tests.standins.call_rest import ACCOUNT, CallRestStandIn, Deed, basic_of


class PlivoRestStandIn(CallRestStandIn):
    """Plivo."""

    @property
    def base_url(self) -> str:
        return f"{self.http_url}/v1"

    def key_of(self, request: web.BaseRequest) -> str | None:
        user, password = basic_of(request)
        return password if user == ACCOUNT else None

    def error(self, status: int, message: str | None, detail: Mapping[str, Any]) -> web.Response:
        return web.json_response({"api_id": "a", "error": message or "no"}, status=status)

    async def act(self, request: web.BaseRequest, body: Any, *path: str) -> web.Response:
        if not request.path.endswith("/") or path[:4] != ("v1", "Account", ACCOUNT, "Call"):
            raise HttpError(404)
        match request.method, *path[4:]:
            case ["DELETE", call]:
                self._check(call)
                self.hang_up(call)
                return web.Response(status=204)
            case ["POST", call]:
                self._check(call)
                assert (body["legs"], body["aleg_method"]) == ("aleg", "GET")
                self.run_xml(call, await self.fetch(body["aleg_url"]))
                return web.json_response({"message": "call transferred", "api_id": "a"}, status=202)
            case ["POST", call, "DTMF"]:
                self._check(call)
                self.done.append(Deed("dtmf", call, body["digits"]))
                return web.json_response({"message": "digits sent", "api_id": "a"}, status=202)
        raise HttpError(404)

    def _check(self, call: str) -> None:
        if not self.live(call):
            raise HttpError(404, "call not found")


class VobizRestStandIn(PlivoRestStandIn):
    """Vobiz: credentials in headers of their own."""

    def key_of(self, request: web.BaseRequest) -> str | None:
        return request.headers.get("X-Auth-Token") if request.headers.get("X-Auth-ID") == ACCOUNT else None
