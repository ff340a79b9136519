"""jambonz' REST API for calls (https://docs.jambonz.org/reference/rest-call-control/calls/update-call)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tests.standins.base import HttpError
from tests.standins.call_rest import ACCOUNT, CallRestStandIn, Deed

_KINDS = {"phone": ("tel", "number"), "sip": ("sip", "sipUri"), "user": ("extension", "name")}


class JambonzRestStandIn(CallRestStandIn):
    """jambonz."""

    @property
    def base_url(self) -> str:
        return f"{self.http_url}/v1"

    def error(self, status: int, message: str | None, detail: Mapping[str, Any]) -> web.Response:
        return web.json_response({"msg": message or "no"}, status=status)

    async def act(self, request: web.BaseRequest, body: Any, *path: str) -> web.Response:
        match request.method, *path:
            case ["PUT", "v1", "Accounts", account, "Calls", call] if account == ACCOUNT:
                if not self.live(call):
                    raise HttpError(404, "call not found")
                await self._update(call, body)
                return web.Response(status=202)
        raise HttpError(404)

    async def _update(self, call: str, body: Any) -> None:
        match body:
            case {"call_status": "completed"}:
                self.hang_up(call)
            case {"call_hook": {"url": url, "method": "GET"}}:
                # It adds what it knows of the call to the query.
                [verb] = json.loads(await self.fetch(f"{url}?callSid={call}"))
                assert verb["verb"] == "dial"
                targets = [(_KINDS[it["type"]][0], it[_KINDS[it["type"]][1]]) for it in verb["target"]]
                self.done.append(Deed("transfer", call, targets, verb.get("callerId", "")))
            case {"dtmf": {"digit": digit, "duration": int()}}:
                self.done.append(Deed("dtmf", call, digit))
            case _:
                raise HttpError(400, "no valid options supplied to updateCall")
