"""Call control by Vonage's Voice API.

https://developer.vonage.com/en/api/voice: https://developer.vonage.com/en/getting-started/concepts/authentication#jwts

A media WebSocket is a leg of its own there. Which leg is the caller's the stream has to say itself, by a header of its
endpoint (`adapters.media.vonage.CALL_ID_HEADERS`); without one nothing can be controlled.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import httpx
import jwt
from pydantic import SecretStr

from adapters.callcontrol.base import ControlCommand, Leg
from adapters.callcontrol.rest import CallEnded, Reply, RestClient, RestControl, segment
from adapters.callcontrol.transfer import Destination, Transfer, TransferMode
from models.errors import InvalidField, ToolFailed

VONAGE_URL = "https://api.nexmo.com/v1"
_TOKEN_S = 60
_OVER = frozenset({"completed", "failed", "rejected", "busy", "timeout", "cancelled", "unanswered"})


class VonageControl(RestControl):
    """Vonage.

    Args:
        application_id: The application.
        private_key: Its RSA key: PEM, or the name of a file that holds it.
        client: For the requests.
        base_url: Where the API is.
        timeout_s: Longest that one request may take, seconds.
        clock: Returns the present moment, seconds since 1970.

    Raises:
        InvalidField: The key cannot be read; names ``vonage_private_key``.
    """

    protocols: ClassVar[frozenset[str]] = frozenset({"vonage"})
    commands: ClassVar[frozenset[ControlCommand]] = frozenset(
        {ControlCommand.HANGUP, ControlCommand.STOP_FLOW, ControlCommand.CONNECT_CALL, ControlCommand.SEND_DTMF}
    )

    def __init__(
        self,
        application_id: str,
        private_key: SecretStr,
        client: httpx.AsyncClient,
        *,
        base_url: str = VONAGE_URL,
        timeout_s: float = 5.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(RestClient(client, base_url, secrets=[private_key], timeout_s=timeout_s))
        self._application_id = application_id
        self._clock = clock
        pem = _pem(private_key.get_secret_value())
        try:
            self._key = jwt.get_algorithm_by_name("RS256").prepare_key(pem)
        except (jwt.InvalidKeyError, ValueError, TypeError):
            raise InvalidField("vonage_private_key", "is no private RSA key") from None
        self._token()

    async def hang_up(self, leg: Leg, key: str) -> None:
        """Hang the caller up; see `RestControl.hang_up`."""
        del key
        await self._put(leg, "", {"action": "hangup"}, repeatable=True)

    async def connect(self, leg: Leg, transfer: Transfer, key: str) -> Mapping[str, Any]:
        """Connect the caller; see `RestControl.connect`."""
        del key
        if transfer.mode is TransferMode.WARM:
            raise ToolFailed("only a cold transfer is possible on this call")
        action: dict[str, Any] = {"action": "connect", "endpoint": [_endpoint(transfer.destinations[0])]}
        caller_id = transfer.caller_id or leg.to
        if caller_id:
            action["from"] = caller_id.removeprefix("+")
        body = {"action": "transfer", "destination": {"type": "ncco", "ncco": [action]}}
        await self._put(leg, "", body, repeatable=False)
        return {}

    async def send_dtmf(self, leg: Leg, digits: str, key: str) -> None:
        """Send digits; see `RestControl.send_dtmf`. A pause is ``p`` there."""
        del key
        await self._put(leg, "/dtmf", {"digits": digits.replace("w", "p")}, repeatable=False)

    async def _put(self, leg: Leg, beneath: str, body: Mapping[str, Any], *, repeatable: bool) -> None:
        path = f"/calls/{segment(leg.call_id)}"
        reply = await self._rest.ask(
            "PUT", path + beneath, headers=self._headers(), json_body=body, repeatable=repeatable
        )
        if reply.ok:
            return
        if reply.status == httpx.codes.NOT_FOUND or (
            # What is asked of a leg that is over is merely a bad request.
            reply.status == httpx.codes.BAD_REQUEST and await self._is_over(path)
        ):
            raise CallEnded("the call has ended already")
        raise self._rest.failure(reply, _message(reply))

    async def _is_over(self, path: str) -> bool:
        known = await self._rest.ask("GET", path, headers=self._headers())
        return known.status == httpx.codes.NOT_FOUND or known.field("status") in _OVER

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token()}"}

    def _token(self) -> str:
        now = int(self._clock())
        claims = {"application_id": self._application_id, "iat": now, "exp": now + _TOKEN_S, "jti": str(uuid4())}
        try:
            return jwt.encode(claims, self._key, algorithm="RS256")
        except (jwt.PyJWTError, TypeError, ValueError, AttributeError):
            raise InvalidField("vonage_private_key", "is no private RSA key") from None


def _pem(given: str) -> str:
    if "-----BEGIN" in given:
        # A variable of the environment often carries its line breaks as two characters each.
        return given.replace("\\n", "\n")
    try:
        return Path(given).expanduser().read_text(encoding="ascii")
    except (OSError, ValueError):
        raise InvalidField("vonage_private_key", "is neither PEM nor a file that can be read") from None


def _endpoint(destination: Destination) -> dict[str, str]:
    if destination.kind == "sip":
        return {"type": "sip", "uri": destination.target}
    return {"type": "phone", "number": destination.target.removeprefix("+")}


def _message(reply: Reply) -> str:
    return str(reply.field("detail") or reply.field("title") or reply.field("error_title") or "")
