"""Telnyx' Voice API: commands of a call (https://developers.telnyx.com/api-reference/call-commands)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tests.standins.base import HttpError
from tests.standins.call_rest import CallRestStandIn, Deed

CONNECTION = "1684641123236054244"


class TelnyxRestStandIn(CallRestStandIn):
    """Telnyx."""

    def __init__(self, **common: Any) -> None:
        super().__init__(**common)
        self._commands: dict[tuple[str, str], Any] = {}

    @property
    def base_url(self) -> str:
        return f"{self.http_url}/v2"

    def error(self, status: int, message: str | None, detail: Mapping[str, Any]) -> web.Response:
        code = detail.get("code", {401: "10009", 404: "10005", 429: "10011"}.get(status, "10015"))
        body = {"errors": [{"code": code, "title": "Error", "detail": message or "no"}]}
        return web.json_response(body, status=status)

    async def act(self, request: web.BaseRequest, body: Any, *path: str) -> web.Response:
        match request.method, *path:
            case ["POST", "v2", "calls"]:
                return self._once("", body, self._dial)
            case ["POST", "v2", "calls", call, "actions", action]:
                if not self.live(call):
                    raise HttpError(422, "This call is no longer active and can't receive commands.", code="90018")
                return self._once(call, body, lambda it: self._command(call, action, it))
        raise HttpError(404)

    def _once(self, call: str, body: Any, do: Any) -> web.Response:
        """A command with the id of an earlier one is ignored."""
        key = (call, str(body.get("command_id", "")))
        known = self._commands.get(key) if key[1] else None
        if known is None:
            known = self._commands[key] = do(body)
        return web.json_response({"data": known})

    def _dial(self, body: Any) -> dict[str, Any]:
        if body.get("connection_id") != CONNECTION:
            raise HttpError(422, "Invalid connection id")
        if not 5 <= body["timeout_secs"] <= 120:
            raise HttpError(422, "timeout_secs")
        return {"call_control_id": self.place(body["to"], caller_id=body["from"]), "is_alive": False}

    def _command(self, call: str, action: str, body: Any) -> dict[str, Any]:
        if action == "hangup":
            self.hang_up(call)
            return {"result": "ok"}
        if self.look(call) == "ringing":
            raise HttpError(
                422, "This call can't receive this command because it has not been answered yet.", code="90034"
            )
        match action:
            case "transfer":
                kind = "sip" if body["to"].startswith("sip") else "tel"
                self.done.append(Deed("transfer", call, [(kind, body["to"])], body.get("from", "")))
            case "send_dtmf":
                self.done.append(Deed("dtmf", call, body["digits"]))
            case "speak":
                assert body["voice"]
                self.done.append(Deed("say", call, body["payload"]))
            case "bridge":
                if not self.live(body["call_control_id"]):
                    raise HttpError(422, "The other call is no longer active.", code="90018")
                self.done.append(Deed("bridge", call, body["call_control_id"]))
            case _:
                raise HttpError(404)
        return {"result": "ok"}
