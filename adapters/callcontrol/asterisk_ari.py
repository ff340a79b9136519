"""Call control by Asterisk's REST interface (ARI), for calls whose audio comes by chan_websocket or AudioSocket.

The media channel is not the caller's: it stands beside the caller's in the bridge of ``Dial()``. The caller's channel
is the one that the dial string named (``v(session=${UNIQUEID})``); without that it is looked for in the bridges, and
for the application ``AudioSocket()`` among the channels that run it.

ARI hangs up any channel, and does everything else only to channels inside of an ARI application (409 otherwise), which
a caller in a plain dialplan is not. So it is asked to originate a helper channel, which carries the rest out from the
dialplan's context ``aicall`` (``docs/pbx/asterisk.md``): ``redirect`` takes the caller into ``aicall-transfer``,
``join`` bridges the helper's own far end with them, ``dtmf`` plays keys to them. The operator's ``aicall-transfer``
alone decides who can be reached. Helper channels are named after the request, so Asterisk refuses a second one (409).

Source: https://docs.asterisk.org/Latest_API/API_Documentation/Asterisk_REST_Interface/Channels_REST_API/
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final
from urllib.parse import urlencode
from uuid import UUID

import httpx
from pydantic import SecretStr

from adapters.audiosocket_id import audiosocket_call_id
from adapters.callcontrol.base import ControlCommand, Leg
from adapters.callcontrol.consultation import RING_S, Consultation, Consulting, NotAnswered, consult, consultings
from adapters.callcontrol.rest import CallEnded, Reply, RestClient, RestControl, segment
from adapters.callcontrol.transfer import Transfer, TransferMode
from models.errors import ToolFailed

HELPERS: Final = "aicall"
"""Dialplan context of the helper channels."""
TRANSFERS: Final = "aicall-transfer"
"""Dialplan context of everybody to whom callers may be connected."""

_TARGET = re.compile(r"[0-9A-Za-z+*#_-]{1,80}")
_CHANNEL = re.compile(r"[0-9A-Za-z._-]{1,150}")
_NOT_FOUND, _CONFLICT = 404, 409
_POLL_S = 0.25
_UUID_CHARS = 36
_GONE = "the caller has hung up"


@dataclass(frozen=True, slots=True)
class _Channel:
    """A channel, as far as it matters here.

    Attributes:
        id: Its unique id.
        name: Its name, which the dialplan's applications take.
        state: ``Down``, ``Ring``, ``Up``, ….
        place: Context and extension of the dialplan where it is.
        application: What it runs there, and that application's arguments.
    """

    id: str
    name: str
    state: str
    place: tuple[str, str]
    application: tuple[str, str]


class AsteriskAri(RestControl):
    """Controls the callers' channels of one Asterisk.

    Args:
        url: URL of the REST interface, ``http://HOST:8088/ari``.
        credentials: ``USER:PASSWORD`` of a user in ``ari.conf``.
        client: Closed by `aclose`.
        ring_s: How long somebody is rung in a warm transfer, seconds.
        settle_s: How long the caller's channel may take to move in a cold one, seconds.
        timeout_s: Longest that one request may take, seconds.
    """

    protocols: ClassVar[frozenset[str]] = frozenset({"asterisk", "audiosocket"})
    commands: ClassVar[frozenset[ControlCommand]] = frozenset(
        {ControlCommand.HANGUP, ControlCommand.STOP_FLOW, ControlCommand.CONNECT_CALL, ControlCommand.SEND_DTMF}
    )
    kinds: ClassVar[frozenset[str]] = frozenset({"tel", "extension", "agent"})

    def __init__(
        self,
        url: str,
        credentials: SecretStr,
        client: httpx.AsyncClient,
        *,
        ring_s: float = RING_S,
        settle_s: float = 3.0,
        timeout_s: float = 5.0,
    ) -> None:
        secret = credentials.get_secret_value()
        token = base64.b64encode(secret.encode()).decode()
        secrets = [credentials, SecretStr(token), SecretStr(secret.partition(":")[2])]
        super().__init__(RestClient(client, url, secrets=secrets, timeout_s=timeout_s))
        self._headers = {"Authorization": f"Basic {token}"}
        self._ring_s = ring_s
        self._settle_s = settle_s

    async def hang_up(self, leg: Leg, key: str) -> None:
        """Hang the caller's channel up.

        Raises:
            CallEnded: It is gone already.
            ToolFailed: It was refused, or nobody could be reached.
        """
        del key
        caller = await self._caller(leg)
        await self.delete(caller.id)

    async def connect(self, leg: Leg, transfer: Transfer, key: str) -> Mapping[str, Any]:
        """Take the caller to an extension of `TRANSFERS`.

        Cold: the caller goes there at once. Warm: the extension is called while the caller goes on talking here, and
        the caller is bridged with whoever answered; when nobody does, nothing has changed for the caller.

        Raises:
            ToolFailed: There is no such extension, nobody answered, the caller has gone, or Asterisk refused.
        """
        target = transfer.destinations[0].target
        if not _TARGET.fullmatch(target):
            raise ToolFailed("a target must be an extension: letters, digits, + * # _ -")
        caller = await self._caller(leg)
        if transfer.mode is TransferMode.WARM:
            found = await consult(
                consultings(leg, transfer, "", key),
                lambda it: _Consultation(self, caller, it),
                ring_s=self._ring_s,
                poll_s=_POLL_S,
            )
            return {"message": f"{found.target} has the caller"}
        await self._redirect(caller, target, transfer, key)
        return {}

    async def send_dtmf(self, leg: Leg, digits: str, key: str) -> None:
        """Play keys to the caller.

        Raises:
            ToolFailed: It was refused, or nobody could be reached.
        """
        caller = await self._caller(leg)
        await self.help(key, "dtmf", {"AICALL_CHANNEL": caller.name, "AICALL_DIGITS": digits})

    async def _redirect(self, caller: _Channel, target: str, transfer: Transfer, key: str) -> None:
        variables = {"AICALL_CHANNEL": caller.name, "AICALL_TARGET": target, "AICALL_CALLERID": transfer.caller_id}
        await self.help(key, "redirect", variables)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settle_s):
                while True:
                    now = await self.channel(caller.id)
                    # Gone as well: whoever it was taken to may have hung up by now.
                    if now is None or now.place != caller.place or now.place == (TRANSFERS, target):
                        return
                    await asyncio.sleep(_POLL_S)
        raise ToolFailed("the phone system's dialplan knows no such destination")

    async def _caller(self, leg: Leg) -> _Channel:
        """Find the caller's channel.

        Raises:
            CallEnded: It is gone.
            ToolFailed: It cannot be told which one it is, or nobody could be reached.
        """
        # Some pass a name of their own as the session.
        if leg.session != leg.call_id and _CHANNEL.fullmatch(leg.session):
            found = await self.channel(leg.session)
            if found is not None:
                return found
        channels = _channels(await self._get("/channels"))
        beside = await self._beside(leg.call_id, channels)
        # AudioSocket's first argument is the id that its stream begins with.
        running = [it for it in channels if _runs_audiosocket(it, leg.call_id)]
        candidates = beside or running
        if len(candidates) > 1:
            raise ToolFailed("the phone system has several calls that this may be; pass session=${UNIQUEID}")
        if not candidates:
            raise CallEnded(_GONE)
        return candidates[0]

    async def _beside(self, media_channel: str, channels: list[_Channel]) -> list[_Channel]:
        """Return the channels that share a bridge with one, known by its id, its name, or the UUID in its name."""
        media = {it.id for it in channels if media_channel in {it.id, it.name, _named(it.name[-_UUID_CHARS:])}}
        bridges = (await self._get("/bridges")).document if media else []
        members = [set(it.get("channels", ())) for it in bridges if isinstance(it, dict)]
        ids = {member for each in members if each & media for member in each - media}
        return [it for it in channels if it.id in ids]

    async def help(
        self,
        key: str,
        extension: str,
        variables: Mapping[str, str],
        *,
        endpoint: str = f"Local/wait@{HELPERS}/n",
        caller_id: str = "",
        ring_s: float = 5.0,
    ) -> str:
        """Originate a helper channel that runs an extension of `HELPERS` when its far end has answered.

        Args:
            key: The request's idempotency key.
            extension: What to run.
            variables: What that is to know.
            endpoint: The far end.
            caller_id: Number to show to it; '' for none.
            ring_s: How long it may take to answer, seconds.

        Returns:
            Its id: the same for the same key and extension.

        Raises:
            ToolFailed: It was refused, or nobody could be reached.
        """
        helper_id = _helper_id(extension, key)
        query = {
            "endpoint": endpoint,
            "context": HELPERS,
            "extension": extension,
            "priority": "1",
            # Whole seconds, and 0 would ring for ever.
            "timeout": str(max(1, round(ring_s))),
            **({"callerId": caller_id} if caller_id else {}),
        }
        path = f"/channels/{helper_id}?{urlencode(query)}"
        reply = await self._rest.ask("POST", path, headers=self._headers, json_body={"variables": dict(variables)})
        if not reply.ok and reply.status != _CONFLICT:
            raise self._failure(reply)
        return helper_id

    async def delete(self, channel_id: str) -> None:
        """Hang a channel up.

        Raises:
            CallEnded: There is none.
            ToolFailed: It was refused, or nobody could be reached.
        """
        reply = await self._rest.ask("DELETE", f"/channels/{segment(channel_id)}?reason=normal", headers=self._headers)
        if reply.status == _NOT_FOUND:
            raise CallEnded(_GONE)
        if not reply.ok:
            raise self._failure(reply)

    async def channel(self, channel_id: str) -> _Channel | None:
        """Return a channel, or None when there is none.

        Raises:
            ToolFailed: It was refused, or nobody could be reached.
        """
        reply = await self._rest.ask("GET", f"/channels/{segment(channel_id)}", headers=self._headers)
        if reply.status == _NOT_FOUND:
            return None
        if not reply.ok:
            raise self._failure(reply)
        return _channel(reply.document)

    async def _get(self, path: str) -> Reply:
        reply = await self._rest.ask("GET", path, headers=self._headers)
        if not reply.ok or not isinstance(reply.document, list):
            raise self._failure(reply)
        return reply

    def _failure(self, reply: Reply) -> ToolFailed:
        return self._rest.failure(reply, str(reply.field("message") or reply.field("error") or ""))


class _Consultation(Consultation):
    """Calls an extension of `TRANSFERS`; whoever answers is bridged with the caller by the dialplan itself."""

    def __init__(self, ari: AsteriskAri, caller: _Channel, whom: Consulting) -> None:
        self._ari = ari
        self._caller = caller
        self._whom = whom
        self._helper_id = ""

    async def call(self, ring_s: float) -> None:
        variables = {"AICALL_CHANNEL": self._caller.name, "AICALL_SUMMARY": self._whom.summary}
        self._helper_id = _helper_id("join", self._whom.key)
        await self._ari.help(
            self._whom.key,
            "join",
            variables,
            endpoint=f"Local/{self._whom.destination.target}@{TRANSFERS}/n",
            caller_id=self._whom.caller_id,
            ring_s=ring_s,
        )

    async def answered(self) -> bool:
        helper = await self._ari.channel(self._helper_id)
        if helper is None:
            raise NotAnswered
        if _has_joined(helper):
            return True
        if await self._ari.channel(self._caller.id) is None:
            raise CallEnded(_GONE)
        return False

    async def join(self) -> None:
        """Nothing: having been told what it is about, they are bridged already."""

    async def give_up(self) -> None:
        helper = await self._ari.channel(self._helper_id)
        # Whoever has the caller by now keeps them.
        if helper is not None and not _has_joined(helper):
            await self._ari.delete(self._helper_id)


def _has_joined(helper: _Channel) -> bool:
    return helper.state == "Up" and helper.application[0] == "Bridge"


def _helper_id(extension: str, key: str) -> str:
    return f"aicall-{hashlib.sha256(f'{extension}:{key}'.encode()).hexdigest()[:32]}"


def _channels(reply: Reply) -> list[_Channel]:
    return [_channel(it) for it in reply.document]


def _channel(document: Any) -> _Channel:
    fields = document if isinstance(document, dict) else {}
    dialplan = fields.get("dialplan")
    place = dialplan if isinstance(dialplan, dict) else {}
    return _Channel(
        id=str(fields.get("id", "")),
        name=str(fields.get("name", "")),
        state=str(fields.get("state", "")),
        place=(str(place.get("context", "")), str(place.get("exten", ""))),
        application=(str(place.get("app_name", "")), str(place.get("app_data", ""))),
    )


def _runs_audiosocket(channel: _Channel, call_id: str) -> bool:
    name, arguments = channel.application
    return name == "AudioSocket" and _named(arguments.partition(",")[0]) == call_id


def _named(text: str) -> str:
    """Return what a call with this UUID is named; '' where it is none."""
    try:
        return audiosocket_call_id(UUID(text.strip()))
    except ValueError:
        return ""
