"""What phone systems' REST interfaces have in common: bounded requests, retries, and calls that are over already."""

from __future__ import annotations

import asyncio
import json
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote

import httpx
from pydantic import SecretStr

from adapters.callcontrol.base import CallControl, ControlCommand, ControlRequest, Leg
from adapters.callcontrol.transfer import Transfer, transfer_of
from models.errors import InvalidField, ToolFailed

MOST_BYTES = 256_000
"""Largest answer that is read, bytes."""
DIGITS = frozenset("0123456789*#ABCDw")
"""What ``digits`` of `ControlCommand.SEND_DTMF` may hold; ``w`` is half a second of pause."""
_MOST_DIGITS = 64
_CONNECT_TIMEOUT_S = 3.0
_LONGEST_RETRY_WAIT_S = 1.0
_MOST_DETAIL_CHARS = 500
_REMEMBERED = 1_000
"""How many requests that were carried out are remembered, so that none is carried out twice."""
_TOO_MANY = 429
_SERVER_ERROR = 500


class CallEnded(ToolFailed):
    """The leg that was to be controlled is over."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back.

    Attributes:
        status: HTTP status.
        document: The parsed JSON; text when it is none; None for an empty body.
        retry_after_s: When it may be asked again, seconds; None when that was not said.
    """

    status: int
    document: Any
    retry_after_s: float | None = None

    @property
    def ok(self) -> bool:
        """Whether it is a success."""
        return 200 <= self.status < 300

    def field(self, *path: str | int) -> Any:
        """Return what stands at a place of the document; None where there is no such place."""
        found = self.document
        for step in path:
            if isinstance(step, str) and isinstance(found, Mapping):
                found = found.get(step)
            elif isinstance(step, int) and isinstance(found, list) and step < len(found):
                found = found[step]
            else:
                return None
        return found


class RestClient:
    """Asks one phone system.

    Args:
        client: For the requests; follows no redirect.
        base_url: What every path is put behind, without a slash at its end.
        secrets: What must never be shown to anybody, should an answer repeat it.
        timeout_s: Longest that one request may take, seconds.
    """

    def __init__(
        self, client: httpx.AsyncClient, base_url: str, *, secrets: Sequence[SecretStr], timeout_s: float = 5.0
    ) -> None:
        self._client = client
        self._base_url = base_url.rstrip("/")
        self._secrets = [it.get_secret_value() for it in secrets if it.get_secret_value()]
        self._timeout_s = timeout_s

    async def ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        json_body: Any = None,
        form: Mapping[str, str] | None = None,
        repeatable: bool = True,
    ) -> Reply:
        """Send a request and read the answer, whatever its status.

        Args:
            method: HTTP method.
            path: Begins with a slash; its parts are quoted.
            headers: Headers, credentials included.
            json_body: What to send as JSON.
            form: What to send as a form.
            repeatable: Whether the request may be sent once more when the connection broke or the server erred, since
                twice is the same as once. One that was never sent, or was sent away (429), may be in any case.

        Raises:
            ToolFailed: There is no connection, no answer in time, or one that is too large.
        """
        request = self._client.build_request(
            method,
            self._base_url + path,
            headers={"Accept": "application/json", **headers},
            json=json_body,
            data=form,
            timeout=httpx.Timeout(self._timeout_s, connect=min(self._timeout_s, _CONNECT_TIMEOUT_S)),
        )
        for last in (False, True):
            try:
                async with asyncio.timeout(self._timeout_s):
                    reply = await self._once(request)
            except (TimeoutError, httpx.TimeoutException):
                raise ToolFailed("the phone system did not answer in time", retryable=True, timed_out=True) from None
            except httpx.HTTPError as error:
                if last or not (repeatable or isinstance(error, httpx.ConnectError)):
                    raise ToolFailed("the phone system cannot be reached", retryable=True) from None
                continue
            if last or not self._may_repeat(reply, repeatable=repeatable):
                return reply
            await asyncio.sleep(reply.retry_after_s or 0.1)
        raise AssertionError  # the last try returns or raises

    def failure(self, reply: Reply, message: str) -> ToolFailed:
        """Return the error for an answer that is no success.

        Args:
            reply: The answer.
            message: What the phone system says of it; '' for nothing.
        """
        for secret in self._secrets:
            message = message.replace(secret, "…")
        return ToolFailed(
            f"the phone system answered with HTTP status {reply.status}",
            detail=message[:_MOST_DETAIL_CHARS],
            retryable=reply.status == _TOO_MANY or reply.status >= _SERVER_ERROR,
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    @staticmethod
    def _may_repeat(reply: Reply, *, repeatable: bool) -> bool:
        if (reply.retry_after_s or 0.0) > _LONGEST_RETRY_WAIT_S:
            return False
        return reply.status == _TOO_MANY or (repeatable and reply.status >= _SERVER_ERROR)

    async def _once(self, request: httpx.Request) -> Reply:
        response = await self._client.send(request, stream=True)
        try:
            content = bytearray()
            async for part in response.aiter_bytes():
                content += part
                if len(content) > MOST_BYTES:
                    raise ToolFailed("the phone system's answer is too large")
        finally:
            await response.aclose()
        return Reply(response.status_code, _parsed(bytes(content)), _retry_after_s(response))


class RestControl(CallControl):
    """Call control by a phone system's REST interface. A subclass says how each command is asked for.

    A request that was carried out is remembered by its idempotency key, and not carried out again.

    Args:
        rest: Asks the phone system.

    Attributes:
        protocols: Names of the media protocols whose calls it controls.
        commands: What it can do.
        kinds: Kinds of destinations that it can connect to.
        most_destinations: To how many at once.
    """

    protocols: ClassVar[frozenset[str]]
    commands: ClassVar[frozenset[ControlCommand]]
    kinds: ClassVar[frozenset[str]] = frozenset({"tel", "sip"})
    most_destinations: ClassVar[int] = 1

    def __init__(self, rest: RestClient) -> None:
        self._rest = rest
        self._carried_out: OrderedDict[str, Mapping[str, Any]] = OrderedDict()

    def can(self, command: ControlCommand, leg: Leg | None = None) -> bool:
        """Return whether it can be done for this leg, which one of its protocols must carry."""
        return leg is not None and leg.protocol in self.protocols and bool(leg.call_id) and command in self.commands

    def takes(self, request: ControlRequest) -> bool:
        """Return whether this very request can be carried out: also whether its destinations can be reached."""
        if not self.can(request.command, request.leg):
            return False
        if request.command is not ControlCommand.CONNECT_CALL:
            return True
        addresses = request.arguments["destinations"]
        return len(addresses) <= self.most_destinations and all(
            str(it["type"]).strip().lower() in self.kinds for it in addresses
        )

    async def carry_out(self, request: ControlRequest) -> Mapping[str, Any]:
        """Ask for it; see `CallControl.carry_out`."""
        known = self._carried_out.get(request.idempotency_key)
        if known is not None:
            return known
        if not self.takes(request) or request.leg is None:
            raise ToolFailed("the phone system cannot do this on this call")
        result = await self._do(request, request.leg)
        self._carried_out[request.idempotency_key] = result
        if len(self._carried_out) > _REMEMBERED:
            self._carried_out.popitem(last=False)
        return result

    async def aclose(self) -> None:
        """Close every connection."""
        await self._rest.aclose()

    async def _do(self, request: ControlRequest, leg: Leg) -> Mapping[str, Any]:
        match request.command:
            case ControlCommand.HANGUP | ControlCommand.STOP_FLOW:
                try:
                    await self.hang_up(leg, request.idempotency_key)
                except CallEnded:
                    return {"message": "the call had ended already"}
                return {}
            case ControlCommand.CONNECT_CALL:
                language = str(request.aicall.get("stt_language") or "")
                transfer = transfer_of(request.arguments, language)
                return await self.connect(leg, transfer, request.idempotency_key)
            case ControlCommand.SEND_DTMF:
                await self.send_dtmf(leg, checked_digits(request.arguments), request.idempotency_key)
                return {}
            case _:
                raise ToolFailed("the phone system cannot do this on this call")

    @abstractmethod
    async def hang_up(self, leg: Leg, key: str) -> None:
        """Hang the caller up.

        Raises:
            CallEnded: Somebody else did before.
            ToolFailed: It was refused, or nobody could be reached.
        """

    @abstractmethod
    async def connect(self, leg: Leg, transfer: Transfer, key: str) -> Mapping[str, Any]:
        """Connect the caller to somebody.

        Returns:
            What the model is told of it; may be empty.

        Raises:
            ToolFailed: It was refused, nobody could be reached, nobody answered, or the caller has gone.
        """

    async def send_dtmf(self, leg: Leg, digits: str, key: str) -> None:
        """Send digits to the caller's side, where it can.

        Raises:
            ToolFailed: It was refused, or nobody could be reached.
        """
        del leg, digits, key
        raise ToolFailed("the phone system cannot do this on this call")


def checked_digits(arguments: Mapping[str, Any]) -> str:
    """Return the digits to send.

    Raises:
        InvalidField: Names ``digits``: too many, none, or characters that no key has.
    """
    digits = arguments.get("digits")
    if not isinstance(digits, str) or not 0 < len(digits) <= _MOST_DIGITS or not DIGITS.issuperset(digits):
        raise InvalidField("digits", f"must be 1 to {_MOST_DIGITS} of 0-9, *, #, A-D and w")
    return digits


def segment(text: str) -> str:
    """Return one segment of a path, quoted."""
    # A segment of dots alone would lead out of its folder; no phone system has such an id.
    return quote(text, safe="") if text.strip(".") else "-"


def _parsed(content: bytes) -> Any:
    text = content.decode("utf-8", errors="replace").strip()
    if not text:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _retry_after_s(response: httpx.Response) -> float | None:
    try:
        return max(0.0, float(response.headers["Retry-After"]))
    except (KeyError, ValueError):
        return None
