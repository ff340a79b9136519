"""Call control by jambonz' REST API.

https://docs.jambonz.org/reference/rest-call-control/calls/update-call

It takes instructions only as a URL, from which it fetches verbs as JSON (https://docs.jambonz.org/verbs/verbs/dial).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

import httpx
from pydantic import SecretStr

from adapters.callcontrol.base import ControlCommand, Leg
from adapters.callcontrol.documents import DocumentLinks, Instructions
from adapters.callcontrol.rest import CallEnded, RestClient, RestControl, segment
from adapters.callcontrol.transfer import Destination, Transfer, TransferMode
from models.errors import ToolFailed

_DIGIT_MS = 250
_GONE = frozenset({404, 410})


class JambonzControl(RestControl):
    """jambonz.

    Args:
        api_url: Where the API is, ``https://HOST/v1``.
        account_sid: The account; '' for the one that the stream names.
        api_key: Its key.
        client: For the requests.
        links: Makes the URLs of instructions.
        timeout_s: Longest that one request may take, seconds.
    """

    protocols: ClassVar[frozenset[str]] = frozenset({"jambonz"})
    commands: ClassVar[frozenset[ControlCommand]] = frozenset(
        {ControlCommand.HANGUP, ControlCommand.STOP_FLOW, ControlCommand.CONNECT_CALL, ControlCommand.SEND_DTMF}
    )
    kinds: ClassVar[frozenset[str]] = frozenset({"tel", "sip", "extension"})
    most_destinations: ClassVar[int] = 10

    def __init__(
        self,
        api_url: str,
        account_sid: str,
        api_key: SecretStr,
        client: httpx.AsyncClient,
        links: DocumentLinks,
        *,
        timeout_s: float = 5.0,
    ) -> None:
        super().__init__(RestClient(client, api_url, secrets=[api_key], timeout_s=timeout_s))
        self._account_sid = account_sid
        self._headers = {"Authorization": f"Bearer {api_key.get_secret_value()}"}
        self._links = links

    async def hang_up(self, leg: Leg, key: str) -> None:
        """Hang the caller up; see `RestControl.hang_up`."""
        del key
        await self._update(leg, {"call_status": "completed"}, repeatable=True)

    async def connect(self, leg: Leg, transfer: Transfer, key: str) -> Mapping[str, Any]:
        """Connect the caller; see `RestControl.connect`."""
        del key
        if transfer.mode is TransferMode.WARM:
            raise ToolFailed("only a cold transfer is possible on this call")
        verb: dict[str, Any] = {"verb": "dial", "target": [_target(it) for it in transfer.destinations]}
        if transfer.caller_id:
            verb["callerId"] = transfer.caller_id
        url = self._links.link(leg, Instructions("application/json", json.dumps([verb])))
        await self._update(leg, {"call_hook": {"url": url, "method": "GET"}}, repeatable=False)
        return {}

    async def send_dtmf(self, leg: Leg, digits: str, key: str) -> None:
        """Send digits, one request for each; see `RestControl.send_dtmf`."""
        del key
        for digit in digits.replace("w", ""):
            await self._update(leg, {"dtmf": {"digit": digit, "duration": _DIGIT_MS}}, repeatable=False)

    async def _update(self, leg: Leg, body: Mapping[str, Any], *, repeatable: bool) -> None:
        path = f"/Accounts/{segment(self._account_sid or leg.account_id)}/Calls/{segment(leg.call_id)}"
        reply = await self._rest.ask("PUT", path, headers=self._headers, json_body=body, repeatable=repeatable)
        if reply.status in _GONE:
            raise CallEnded("the call has ended already")
        if not reply.ok:
            raise self._rest.failure(reply, str(reply.field("msg") or ""))


def _target(destination: Destination) -> dict[str, str]:
    match destination.kind:
        case "sip":
            return {"type": "sip", "sipUri": destination.target}
        case "extension":
            return {"type": "user", "name": destination.target}
        case _:
            return {"type": "phone", "number": destination.target}
