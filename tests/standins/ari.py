"""Asterisk's REST interface, with a dialplan that has the contexts ``aicall`` and ``aicall-transfer``.

Written after https://docs.asterisk.org/Latest_API/API_Documentation/Asterisk_REST_Interface/ and what Asterisk 22.10
answers. As there, a channel outside of an ARI application can be looked at and hung up, and nothing else (409).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tests.standins.base import HttpError
from tests.standins.call_rest import CALLER, CallRestStandIn, Deed, PlacedCall, basic_of

USER = "aicall"
MEDIA = "1761245643.7"
"""Id of the channel that carries the media to the runtime, beside the caller's in a bridge."""
NOWHERE = "999"
"""An extension that ``aicall-transfer`` does not have."""
_HELPERS = ("redirect", "join", "dtmf")


class AriStandIn(CallRestStandIn):
    """Asterisk.

    Attributes:
        places: Context, extension, application and its arguments of each channel, by its id.
        bridges: Ids of the channels in each bridge.
    """

    def __init__(self, **common: Any) -> None:
        super().__init__(**common)
        self.states[MEDIA] = "live"
        self.names = {CALLER: "PJSIP/trunk-00000001", MEDIA: "WebSocket/bot/0x7f5ebc004aa0"}
        self.places = {
            CALLER: ("from-sip", "100", "Dial", "WebSocket/bot/c(ulaw),30"),
            MEDIA: ("from-sip", "", "AppDial", "(Outgoing Line)"),
        }
        self.bridges: list[set[str]] = [{CALLER, MEDIA}]

    @property
    def base_url(self) -> str:
        return f"{self.http_url}/ari"

    def key_of(self, request: web.BaseRequest) -> str | None:
        user, password = basic_of(request)
        return password if user == USER else None

    def error(self, status: int, message: str | None, detail: Mapping[str, Any]) -> web.Response:
        return web.json_response({"message": message or "no"}, status=status)

    async def act(self, request: web.BaseRequest, body: Any, *path: str) -> web.Response:
        match request.method, *path:
            case ["GET", "ari", "channels"]:
                return web.json_response([self._channel(it) for it in self.names if self.live(it)])
            case ["GET", "ari", "bridges"]:
                live = [sorted(it for it in members if self.live(it)) for members in self.bridges]
                return web.json_response([{"id": "b", "technology": "simple_bridge", "channels": it} for it in live])
            case ["GET", "ari", "channels", channel]:
                self._helper_moves(channel)
                self._require(channel)
                return web.json_response(self._channel(channel))
            case ["DELETE", "ari", "channels", channel] if request.query.get("reason") == "normal":
                self._require(channel)
                self.hang_up(channel)
                return web.Response(status=204)
            case ["POST", "ari", "channels", channel] if channel.startswith("aicall-"):
                return web.json_response(self._originate(channel, request.query, body))
            case ["POST", "ari", "channels", channel, _]:
                self._require(channel)
                raise HttpError(409, "Channel not in Stasis application")
        raise HttpError(404, "Resource not found")

    def _require(self, channel: str) -> None:
        if not self.live(channel):
            raise HttpError(404, "Channel not found")

    def _channel(self, channel: str) -> dict[str, Any]:
        context, extension, application, arguments = self.places[channel]
        state = "Down" if self.states[channel] == "ringing" else "Up"
        dialplan = {"context": context, "exten": extension, "priority": 1}
        dialplan |= {"app_name": application, "app_data": arguments}
        return {"id": channel, "name": self.names[channel], "state": state, "dialplan": dialplan}

    def _originate(self, channel: str, query: Mapping[str, str], body: Any) -> dict[str, Any]:
        if channel in self.names:
            raise HttpError(409, "Channel with given unique ID already exists")
        extension, endpoint = query["extension"], query["endpoint"]
        assert (query["context"], query["priority"]) == ("aicall", "1")
        assert extension in _HELPERS
        assert int(query["timeout"]) > 0
        variables: dict[str, str] = body["variables"]
        assert all(isinstance(it, str) for it in variables.values())
        self.names[channel] = f"{endpoint.removesuffix('/n')}-00000001;1"
        self.places[channel] = ("aicall", extension, "AppDial2", "(Outgoing Line)")
        self.states[channel] = "ringing"
        [caller] = [it for it, name in self.names.items() if name == variables["AICALL_CHANNEL"]]
        if extension == "join":
            target = endpoint.removeprefix("Local/").removesuffix("@aicall-transfer/n")
            self.placed[channel] = PlacedCall(target, facts={"variables": variables})
            self.done.append(Deed("dial", channel, target, query.get("callerId", "")))
            return self._channel(channel)
        assert endpoint == "Local/wait@aicall/n"
        # These are over in no time.
        answer = self._channel(channel)
        self.end(channel)
        if extension == "dtmf":
            self.done.append(Deed("dtmf", caller, variables["AICALL_DIGITS"]))
        elif (target := variables["AICALL_TARGET"]) != NOWHERE:
            self.places[caller] = ("aicall-transfer", target, "Dial", f"PJSIP/{target}")
            self.bridges.clear()
            kind = "tel" if target.lstrip("+").isdigit() and len(target) > 4 else "extension"
            self.done.append(Deed("transfer", caller, [(kind, target)], variables["AICALL_CALLERID"]))
        return answer

    def _helper_moves(self, channel: str) -> None:
        """Let a consultant answer who was asked for often enough, or who is busy hang up."""
        placed = self.placed.get(channel)
        if placed is None or self.states[channel] != "ringing":
            return
        if placed.number == NOWHERE:
            self.end(channel)
            return
        if self.look(channel) == "live":
            caller = placed.facts["variables"]["AICALL_CHANNEL"]
            summary = placed.facts["variables"]["AICALL_SUMMARY"]
            if summary:
                self.done.append(Deed("say", channel, summary))
            self.places[channel] = ("aicall", "join", "Bridge", caller)
            self.done.append(Deed("bridge", channel, caller))
