"""Call control by Twilio's REST API, and by SignalWire's, which is compatible with it.

https://www.twilio.com/docs/voice/api/call-resource#update-a-call-resource
https://developer.signalwire.com/compatibility-api/client-sdks/methods/calls/update

New instructions take the call away from ``<Connect><Stream>``, so the AI's part of the call ends by them. DTMF cannot
be sent: it would need new instructions too.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, ClassVar

import httpx
from pydantic import SecretStr

from adapters.callcontrol import dial_xml
from adapters.callcontrol.base import ControlCommand, Leg
from adapters.callcontrol.consultation import Consultation, Consulting, NotAnswered, consult, consultings
from adapters.callcontrol.documents import DocumentLinks, Instructions
from adapters.callcontrol.rest import CallEnded, Reply, RestClient, RestControl, segment
from adapters.callcontrol.transfer import Transfer, TransferMode
from models.errors import ToolFailed

TWILIO_URL = "https://api.twilio.com"
_NOT_IN_PROGRESS = 21_220
_NOT_FOUND = 20_404
_RINGS = frozenset({"queued", "initiated", "ringing"})
_ANSWERED = "in-progress"
_NOUNS = {"tel": "Number", "sip": "Sip", "conference": "Conference", "client": "Client"}


class TwilioRestControl(RestControl):
    """Twilio.

    Args:
        account_sid: The account.
        auth_token: Its token.
        client: For the requests.
        base_url: Where the API is.
        timeout_s: Longest that one request may take, seconds.
    """

    protocols: ClassVar[frozenset[str]] = frozenset({"twilio"})
    commands: ClassVar[frozenset[ControlCommand]] = frozenset(
        {ControlCommand.HANGUP, ControlCommand.STOP_FLOW, ControlCommand.CONNECT_CALL}
    )
    kinds: ClassVar[frozenset[str]] = frozenset(_NOUNS)
    most_destinations: ClassVar[int] = 10

    def __init__(
        self,
        account_sid: str,
        auth_token: SecretStr,
        client: httpx.AsyncClient,
        *,
        base_url: str = TWILIO_URL,
        timeout_s: float = 5.0,
    ) -> None:
        super().__init__(RestClient(client, base_url, secrets=[auth_token], timeout_s=timeout_s))
        self._account_sid = account_sid
        credentials = f"{account_sid}:{auth_token.get_secret_value()}".encode()
        self._headers = {"Authorization": f"Basic {base64.b64encode(credentials).decode()}"}

    async def hang_up(self, leg: Leg, key: str) -> None:
        """Hang the caller up; see `RestControl.hang_up`."""
        del key
        await self.update(leg, leg.call_id, {"Status": "completed"})

    async def connect(self, leg: Leg, transfer: Transfer, key: str) -> Mapping[str, Any]:
        """Connect the caller; see `RestControl.connect`."""
        if transfer.mode is TransferMode.COLD:
            document = dial_xml.dial(transfer, _NOUNS)
            # Not repeated: the second one would ring at somebody who may have answered the first.
            await self.update(leg, leg.call_id, self.instructions(leg, document), repeatable=False)
            return {}
        if not transfer.kinds <= {"tel", "sip"}:
            raise ToolFailed("in a warm transfer only destinations of type tel or sip can be called")
        caller_id = transfer.caller_id or await self._own_number(leg)
        whom = consultings(leg, transfer, caller_id, key)
        reached = await consult(whom, lambda it: _Conference(self, it))
        return {"message": f"{reached.name or reached.target} has the caller"}

    def instructions(self, leg: Leg, document: str) -> dict[str, str]:
        """Return how a document is given to the API."""
        del leg
        return {"Twiml": document}

    async def update(self, leg: Leg, call_sid: str, form: Mapping[str, str], *, repeatable: bool = True) -> None:
        """Change a call.

        Raises:
            CallEnded: It is over.
            ToolFailed: It was refused, or nobody could be reached.
        """
        await self.send("POST", self._calls(leg, call_sid), form, repeatable=repeatable)

    async def create(self, leg: Leg, form: Mapping[str, str]) -> str:
        """Place a call beside this one and return its id.

        Raises:
            ToolFailed: It was refused, or nobody could be reached.
        """
        reply = await self.send("POST", self._calls(leg), form, repeatable=False)
        return str(reply.field("sid") or "")

    async def look_up(self, leg: Leg, call_sid: str) -> Reply:
        """Return what the API knows of a call.

        Raises:
            CallEnded: There is no such call.
            ToolFailed: It was refused, or nobody could be reached.
        """
        return await self.send("GET", self._calls(leg, call_sid), None)

    async def send(self, method: str, path: str, form: Mapping[str, str] | None, *, repeatable: bool = True) -> Reply:
        """Ask the API.

        Raises:
            CallEnded: The call is over.
            ToolFailed: It was refused, or nobody could be reached.
        """
        reply = await self._rest.ask(method, path, headers=self._headers, form=form, repeatable=repeatable)
        if reply.ok:
            return reply
        if reply.status == httpx.codes.NOT_FOUND or reply.field("code") in {_NOT_FOUND, _NOT_IN_PROGRESS}:
            raise CallEnded("the call has ended already")
        raise self._rest.failure(reply, str(reply.field("message") or ""))

    def _account(self, leg: Leg) -> str:
        # The main account's token is good for its subaccounts too.
        return leg.account_id or self._account_sid

    def _calls(self, leg: Leg, call_sid: str = "") -> str:
        account = f"/2010-04-01/Accounts/{segment(self._account(leg))}/Calls"
        return f"{account}/{segment(call_sid)}.json" if call_sid else f"{account}.json"

    async def _own_number(self, leg: Leg) -> str:
        """Return the number of ours that the call uses: the only one that may be shown to others."""
        known = await self.look_up(leg, leg.call_id)
        outbound = str(known.field("direction") or "").startswith("outbound")
        return str(known.field("from" if outbound else "to") or "")


class SignalWireRestControl(TwilioRestControl):
    """SignalWire. It takes instructions only as a URL.

    Args:
        space: Host of the space, ``NAME.signalwire.com``.
        project_id: The project.
        api_token: Its token.
        client: For the requests.
        links: Makes the URLs.
        base_url: Where the API is; '' for the space's.
        timeout_s: Longest that one request may take, seconds.
    """

    protocols: ClassVar[frozenset[str]] = frozenset({"signalwire"})

    def __init__(
        self,
        space: str,
        project_id: str,
        api_token: SecretStr,
        client: httpx.AsyncClient,
        links: DocumentLinks,
        *,
        base_url: str = "",
        timeout_s: float = 5.0,
    ) -> None:
        super().__init__(
            project_id, api_token, client, base_url=base_url or f"https://{space}/api/laml", timeout_s=timeout_s
        )
        self._links = links

    def instructions(self, leg: Leg, document: str) -> dict[str, str]:
        """Return how a document is given to the API."""
        return {"Url": self._links.link(leg, Instructions(dial_xml.MEDIA_TYPE, document)), "Method": "GET"}

    def _account(self, leg: Leg) -> str:
        del leg
        return self._account_sid


class _Conference(Consultation):
    """The consultant waits for the caller in a conference."""

    def __init__(self, control: TwilioRestControl, consulting: Consulting) -> None:
        self._control = control
        self._consulting = consulting
        self._leg = consulting.leg
        self._room = f"aicall-{consulting.key}"
        self._sid = ""

    async def call(self, ring_s: float) -> None:
        document = dial_xml.conference(
            self._room, announcement=self._consulting.summary, language=self._consulting.language
        )
        self._sid = await self._control.create(
            self._leg,
            {
                "To": self._consulting.destination.target,
                "From": self._consulting.caller_id,
                "Timeout": str(max(1, round(ring_s))),
                **self._control.instructions(self._leg, document),
            },
        )

    async def answered(self) -> bool:
        try:
            status = (await self._control.look_up(self._leg, self._sid)).field("status")
        except CallEnded:
            raise NotAnswered from None
        if status not in _RINGS | {_ANSWERED}:
            raise NotAnswered
        return bool(status == _ANSWERED)

    async def join(self) -> None:
        document = dial_xml.conference(self._room)
        await self._control.update(
            self._leg, self._leg.call_id, self._control.instructions(self._leg, document), repeatable=False
        )

    async def give_up(self) -> None:
        if self._sid:
            await self._control.update(self._leg, self._sid, {"Status": "completed"})
