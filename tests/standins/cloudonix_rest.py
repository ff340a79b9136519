"""Cloudonix' REST API for sessions.

https://developers.cloudonix.com/Documentation/apiWorkflow/callControlAndSessionManagement
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from tests.standins.base import HttpError
from tests.standins.call_rest import CallRestStandIn

DOMAIN = "clinic.cloudonix.net"


class CloudonixRestStandIn(CallRestStandIn):
    """Cloudonix."""

    async def act(self, request: web.BaseRequest, body: Any, *path: str) -> web.Response:
        match request.method, *path:
            case ["DELETE", "customers", "self", "domains", domain, "sessions", token] if domain == DOMAIN:
                self._check(token)
                self.hang_up(token)
                return web.Response(status=204)
            case ["POST", "calls", domain, "sessions", token, "application"] if domain == DOMAIN:
                self._check(token)
                self.run_xml(token, body["cxml"])
                return web.json_response({"token": token})
        raise HttpError(404)

    def _check(self, token: str) -> None:
        if not self.live(token):
            raise HttpError(404, "Session not found")
