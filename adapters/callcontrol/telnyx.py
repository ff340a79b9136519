"""Call control by Telnyx' Voice API.

https://developers.telnyx.com/api-reference/call-commands/transfer-call and its neighbours. A command that bears the
``command_id`` of an earlier one for the same call is ignored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

import httpx
from pydantic import SecretStr

from adapters.callcontrol.base import ControlCommand, Leg
from adapters.callcontrol.consultation import Consultation, Consulting, NotAnswered, consult, consultings
from adapters.callcontrol.rest import CallEnded, Reply, RestClient, RestControl, segment
from adapters.callcontrol.transfer import Transfer, TransferMode
from models.errors import ToolFailed

TELNYX_URL = "https://api.telnyx.com/v2"
_ENDED = frozenset({"90018", "90055"})
"""Errors of a call that is over."""
_NOT_ANSWERED = "90034"
_RING_S = 30
_SPOKEN_CHARS_PER_S = 14.0
_LONGEST_WHISPER_S = 12.0


class TelnyxControl(RestControl):
    """Telnyx.

    Args:
        api_key: The key.
        client: For the requests.
        connection_id: Voice API application that places calls in warm transfers; '' for cold ones only.
        base_url: Where the API is.
        timeout_s: Longest that one request may take, seconds.
    """

    protocols: ClassVar[frozenset[str]] = frozenset({"telnyx"})
    commands: ClassVar[frozenset[ControlCommand]] = frozenset(
        {ControlCommand.HANGUP, ControlCommand.STOP_FLOW, ControlCommand.CONNECT_CALL, ControlCommand.SEND_DTMF}
    )

    def __init__(
        self,
        api_key: SecretStr,
        client: httpx.AsyncClient,
        *,
        connection_id: str = "",
        base_url: str = TELNYX_URL,
        timeout_s: float = 5.0,
    ) -> None:
        super().__init__(RestClient(client, base_url, secrets=[api_key], timeout_s=timeout_s))
        self._headers = {"Authorization": f"Bearer {api_key.get_secret_value()}"}
        self.connection_id = connection_id

    async def hang_up(self, leg: Leg, key: str) -> None:
        """Hang the caller up; see `RestControl.hang_up`."""
        await self.command(leg.call_id, "hangup", {}, key)

    async def connect(self, leg: Leg, transfer: Transfer, key: str) -> Mapping[str, Any]:
        """Connect the caller; see `RestControl.connect`."""
        caller_id = {"from": transfer.caller_id} if transfer.caller_id else {}
        if transfer.mode is TransferMode.COLD:
            body = {"to": transfer.destinations[0].target, "timeout_secs": _RING_S, **caller_id}
            await self.command(leg.call_id, "transfer", body, key)
            return {}
        if not self.connection_id:
            raise ToolFailed("only a cold transfer is possible on this call")
        whom = consultings(leg, transfer, leg.to, key)
        reached = await consult(whom, lambda it: _Bridge(self, it))
        return {"message": f"{reached.name or reached.target} has the caller"}

    async def send_dtmf(self, leg: Leg, digits: str, key: str) -> None:
        """Send digits; see `RestControl.send_dtmf`."""
        await self.command(leg.call_id, "send_dtmf", {"digits": digits}, key)

    async def command(self, call_control_id: str, action: str, body: Mapping[str, Any], key: str) -> None:
        """Command a call.

        Args:
            call_control_id: Which one.
            action: What.
            body: Its arguments.
            key: The same for every try of this command.

        Raises:
            NotYet: It cannot yet: the call was not answered.
            CallEnded: It is over.
            ToolFailed: It was refused, or nobody could be reached.
        """
        await self.send(f"/calls/{segment(call_control_id)}/actions/{action}", {**body, "command_id": key})

    async def send(self, path: str, body: Mapping[str, Any]) -> Reply:
        """Ask the API; see `command`."""
        reply = await self._rest.ask("POST", path, headers=self._headers, json_body=body)
        if reply.ok:
            return reply
        code = str(reply.field("errors", 0, "code") or "")
        if code in _ENDED or reply.status == httpx.codes.NOT_FOUND:
            raise CallEnded("the call has ended already")
        if code == _NOT_ANSWERED:
            raise NotYet("the call was not answered yet")
        detail = reply.field("errors", 0, "detail") or reply.field("errors", 0, "title") or ""
        raise self._rest.failure(reply, str(detail))


class NotYet(ToolFailed):
    """A call was not answered yet."""


class _Bridge(Consultation):
    """The consultant is called by a leg of its own, which is bridged with the caller's."""

    def __init__(self, control: TelnyxControl, consulting: Consulting) -> None:
        self._control = control
        self._consulting = consulting
        self._id = ""
        self._tries = 0
        self._joined = False

    async def call(self, ring_s: float) -> None:
        reply = await self._control.send(
            "/calls",
            {
                "connection_id": self._control.connection_id,
                "to": self._consulting.destination.target,
                "from": self._consulting.caller_id,
                "link_to": self._consulting.leg.call_id,
                "bridge_intent": True,
                # The shortest and the longest that the API takes.
                "timeout_secs": min(120, max(5, round(ring_s))),
                "command_id": f"{self._consulting.key}-dial",
            },
        )
        self._id = str(reply.field("data", "call_control_id") or "")
        if not self._id:
            raise ToolFailed("the phone system did not say which call it has placed")

    async def answered(self) -> bool:
        # Each try has an id of its own: one that was refused would otherwise be ignored from then on.
        self._tries += 1
        key = f"{self._consulting.key}-{self._tries}"
        try:
            if self._consulting.summary:
                body = {
                    "payload": self._consulting.summary,
                    "voice": "female",
                    "language": self._consulting.language or "en-US",
                }
                await self._control.command(self._id, "speak", body, key)
                # That it was said to its end is told by webhook alone.
                await asyncio.sleep(min(_LONGEST_WHISPER_S, 1.0 + len(self._consulting.summary) / _SPOKEN_CHARS_PER_S))
            else:
                await self._bridge(key)
        except NotYet:
            return False
        except CallEnded:
            raise NotAnswered from None
        return True

    async def join(self) -> None:
        if not self._joined:
            await self._bridge(f"{self._consulting.key}-bridge")

    async def give_up(self) -> None:
        if self._id:
            await self._control.command(self._id, "hangup", {}, f"{self._consulting.key}-hangup")

    async def _bridge(self, key: str) -> None:
        # From the consultant's leg, so that an error is about that one: it is the caller's that is known to live.
        await self._control.command(self._id, "bridge", {"call_control_id": self._consulting.leg.call_id}, key)
        self._joined = True
