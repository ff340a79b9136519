"""Call control by Plivo's REST API, and by Vobiz', a clone of it.

https://www.plivo.com/docs/voice/api/call/transfer-a-call, https://www.plivo.com/docs/voice/api/dtmf
https://pypi.org/project/vobiz-python

Both take instructions only as a URL.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, ClassVar

import httpx
from pydantic import SecretStr

from adapters.callcontrol import dial_xml
from adapters.callcontrol.base import ControlCommand, Leg
from adapters.callcontrol.documents import DocumentLinks, Instructions
from adapters.callcontrol.rest import CallEnded, Reply, RestClient, RestControl, segment
from adapters.callcontrol.transfer import Transfer, TransferMode
from models.errors import ToolFailed

PLIVO_URL = "https://api.plivo.com/v1"
VOBIZ_URL = "https://api.vobiz.ai/api/v1"
_NOUNS = {"tel": "Number", "sip": "User"}
_GONE = frozenset({404, 410})


class PlivoControl(RestControl):
    """Plivo.

    Args:
        auth_id: The account.
        auth_token: Its token.
        client: For the requests.
        links: Makes the URLs of instructions.
        base_url: Where the API is.
        timeout_s: Longest that one request may take, seconds.
    """

    protocols: ClassVar[frozenset[str]] = frozenset({"plivo"})
    commands: ClassVar[frozenset[ControlCommand]] = frozenset(
        {ControlCommand.HANGUP, ControlCommand.STOP_FLOW, ControlCommand.CONNECT_CALL, ControlCommand.SEND_DTMF}
    )
    kinds: ClassVar[frozenset[str]] = frozenset(_NOUNS)
    most_destinations: ClassVar[int] = 10

    def __init__(
        self,
        auth_id: str,
        auth_token: SecretStr,
        client: httpx.AsyncClient,
        links: DocumentLinks,
        *,
        base_url: str = PLIVO_URL,
        timeout_s: float = 5.0,
    ) -> None:
        super().__init__(RestClient(client, base_url, secrets=[auth_token], timeout_s=timeout_s))
        self._auth_id = auth_id
        self._auth_token = auth_token
        self._links = links

    async def hang_up(self, leg: Leg, key: str) -> None:
        """Hang the caller up; see `RestControl.hang_up`."""
        del key
        self._checked(await self._rest.ask("DELETE", self._call(leg), headers=self._headers()))

    async def connect(self, leg: Leg, transfer: Transfer, key: str) -> Mapping[str, Any]:
        """Connect the caller; see `RestControl.connect`."""
        del key
        if transfer.mode is TransferMode.WARM:
            raise ToolFailed("only a cold transfer is possible on this call")
        url = self._links.link(leg, Instructions(dial_xml.MEDIA_TYPE, dial_xml.dial(transfer, _NOUNS)))
        body = {"legs": "aleg", "aleg_url": url, "aleg_method": "GET"}
        path = self._call(leg)
        self._checked(await self._rest.ask("POST", path, headers=self._headers(), json_body=body, repeatable=False))
        return {}

    async def send_dtmf(self, leg: Leg, digits: str, key: str) -> None:
        """Send digits; see `RestControl.send_dtmf`."""
        del key
        body = {"digits": digits, "leg": "aleg"}
        path = f"{self._call(leg)}DTMF/"
        self._checked(await self._rest.ask("POST", path, headers=self._headers(), json_body=body, repeatable=False))

    def _headers(self) -> dict[str, str]:
        credentials = f"{self._auth_id}:{self._auth_token.get_secret_value()}".encode()
        return {"Authorization": f"Basic {base64.b64encode(credentials).decode()}"}

    def _call(self, leg: Leg) -> str:
        return f"/Account/{segment(self._auth_id)}/Call/{segment(leg.call_id)}/"

    def _checked(self, reply: Reply) -> None:
        if reply.status in _GONE:
            raise CallEnded("the call has ended already")
        if not reply.ok:
            raise self._rest.failure(reply, str(reply.field("error") or reply.field("message") or ""))


class VobizControl(PlivoControl):
    """Vobiz: Plivo's API with its credentials in headers of their own. Arguments as those of `PlivoControl`."""

    protocols: ClassVar[frozenset[str]] = frozenset({"vobiz"})

    def __init__(
        self,
        auth_id: str,
        auth_token: SecretStr,
        client: httpx.AsyncClient,
        links: DocumentLinks,
        *,
        base_url: str = VOBIZ_URL,
        timeout_s: float = 5.0,
    ) -> None:
        super().__init__(auth_id, auth_token, client, links, base_url=base_url, timeout_s=timeout_s)

    def _headers(self) -> dict[str, str]:
        return {"X-Auth-ID": self._auth_id, "X-Auth-Token": self._auth_token.get_secret_value()}
