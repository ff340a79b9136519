"""Twilio's REST API for calls (https://www.twilio.com/docs/voice/api/call-resource), and SignalWire's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tests.standins.base import HttpError
from tests.standins.call_rest import ACCOUNT, OWN_NUMBER, CallRestStandIn, FormMixin, basic_of

_STATUS = {"live": "in-progress", "ringing": "ringing", "ended": "completed"}


class TwilioRestStandIn(FormMixin, CallRestStandIn):
    """Twilio."""

    PREFIX: tuple[str, ...] = ("2010-04-01", "Accounts", ACCOUNT)
    INSTRUCTIONS = ("Twiml", "Url")

    def key_of(self, request: web.BaseRequest) -> str | None:
        user, password = basic_of(request)
        return password if user == ACCOUNT else None

    def error(self, status: int, message: str | None, detail: Mapping[str, Any]) -> web.Response:
        code = detail.get("code", {401: 20003, 404: 20404, 429: 20429}.get(status, status))
        body = {"code": code, "message": message or "no", "more_info": f"https://e/{code}", "status": status}
        return web.json_response(body, status=status)

    async def act(self, request: web.BaseRequest, body: Any, *path: str) -> web.Response:
        if path[: len(self.PREFIX)] != self.PREFIX:
            raise HttpError(404)
        match request.method, *path[len(self.PREFIX) :]:
            case ["POST", "Calls.json"]:
                document = await self._document(body)
                sid = self.place(body["To"], document, caller_id=body["From"], timeout=int(body["Timeout"]))
                return self._shown(sid, status=201)
            case ["GET", "Calls", name]:
                sid = name.removesuffix(".json")
                if sid not in self.states:
                    raise HttpError(404)
                self.look(sid)
                return self._shown(sid)
            case ["POST", "Calls", name]:
                return await self._update(name.removesuffix(".json"), body)
        raise HttpError(404)

    async def _update(self, sid: str, form: Mapping[str, str]) -> web.Response:
        if sid not in self.states or (form.get("Status") and not self.live(sid)):
            raise HttpError(404, "The requested resource was not found")
        if form.get("Status") == "completed":
            self.hang_up(sid)
        elif not self.live(sid):
            raise HttpError(400, "Call is not in-progress. Cannot redirect.", code=21220)
        else:
            self.run_xml(sid, await self._document(form))
        return self._shown(sid)

    async def _document(self, form: Mapping[str, str]) -> str:
        if "Twiml" in self.INSTRUCTIONS and "Twiml" in form:
            return form["Twiml"]
        if "Url" not in form:
            raise HttpError(400, "Url parameter is required", code=21205)
        return await self.fetch(form["Url"])

    def _shown(self, sid: str, status: int = 200) -> web.Response:
        document = {
            "sid": sid,
            "status": _STATUS[self.states[sid]],
            "direction": "inbound",
            "from": "+15551230000",
            "to": OWN_NUMBER,
        }
        return web.json_response(document, status=status)


class SignalWireRestStandIn(TwilioRestStandIn):
    """SignalWire: instructions by URL alone."""

    PREFIX = ("api", "laml", "2010-04-01", "Accounts", ACCOUNT)
    INSTRUCTIONS = ("Url",)

    @property
    def base_url(self) -> str:
        return f"{self.http_url}/api/laml"
