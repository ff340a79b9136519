"""Call control by Cloudonix' REST API.

https://developers.cloudonix.com/Documentation/apiWorkflow/callControlAndSessionManagement

A session is named by its domain, which the stream gives as the account, and by its token, the call's id here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import httpx
from pydantic import SecretStr

from adapters.callcontrol import dial_xml
from adapters.callcontrol.base import ControlCommand, Leg
from adapters.callcontrol.rest import CallEnded, Reply, RestClient, RestControl, segment
from adapters.callcontrol.transfer import Transfer, TransferMode
from models.errors import ToolFailed

CLOUDONIX_URL = "https://api.cloudonix.io"
_NOUNS = {"tel": "Number", "extension": "Number", "sip": "Sip"}
_GONE = frozenset({404, 410})


class CloudonixControl(RestControl):
    """Cloudonix.

    Args:
        api_key: A key of the domain.
        client: For the requests.
        base_url: Where the API is.
        timeout_s: Longest that one request may take, seconds.
    """

    protocols: ClassVar[frozenset[str]] = frozenset({"cloudonix"})
    commands: ClassVar[frozenset[ControlCommand]] = frozenset(
        {ControlCommand.HANGUP, ControlCommand.STOP_FLOW, ControlCommand.CONNECT_CALL}
    )
    kinds: ClassVar[frozenset[str]] = frozenset(_NOUNS)
    most_destinations: ClassVar[int] = 10

    def __init__(
        self,
        api_key: SecretStr,
        client: httpx.AsyncClient,
        *,
        base_url: str = CLOUDONIX_URL,
        timeout_s: float = 5.0,
    ) -> None:
        super().__init__(RestClient(client, base_url, secrets=[api_key], timeout_s=timeout_s))
        self._headers = {"Authorization": f"Bearer {api_key.get_secret_value()}"}

    def can(self, command: ControlCommand, leg: Leg | None = None) -> bool:
        """Return whether it can be done for this leg, whose domain must be known."""
        return super().can(command, leg) and leg is not None and bool(leg.account_id)

    async def hang_up(self, leg: Leg, key: str) -> None:
        """End the session; see `RestControl.hang_up`."""
        del key
        path = f"/customers/self/domains/{segment(leg.account_id)}/sessions/{segment(leg.call_id)}"
        self._checked(await self._rest.ask("DELETE", path, headers=self._headers))

    async def connect(self, leg: Leg, transfer: Transfer, key: str) -> Mapping[str, Any]:
        """Give the session another application; see `RestControl.connect`."""
        del key
        if transfer.mode is TransferMode.WARM:
            raise ToolFailed("only a cold transfer is possible on this call")
        path = f"/calls/{segment(leg.account_id)}/sessions/{segment(leg.call_id)}/application"
        body = {"cxml": dial_xml.dial(transfer, _NOUNS)}
        self._checked(await self._rest.ask("POST", path, headers=self._headers, json_body=body, repeatable=False))
        return {}

    def _checked(self, reply: Reply) -> None:
        if reply.status in _GONE:
            raise CallEnded("the call has ended already")
        if not reply.ok:
            raise self._rest.failure(reply, str(reply.field("message") or reply.field("error") or ""))
