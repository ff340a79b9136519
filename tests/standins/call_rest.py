"""What phone systems' REST interfaces have in common: calls that live, ring and end, and what was done to them."""

from __future__ import annotations

from abc import abstractmethod
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import parse_qsl
from xml.etree import ElementTree as ET

import httpx
from aiohttp import web

from tests.standins.base import HttpError, LoggedRequest, StandIn

ACCOUNT = "AC0123456789"
"""Name of the account, beside its key."""
CALLER = "CA-caller"
"""Id of the caller's call, which lives from the start."""
OWN_NUMBER = "+15550009999"
"""The number that the caller has dialled."""

KINDS = {"Number": "tel", "Sip": "sip", "User": "sip", "Conference": "conference", "Client": "client"}
"""Kind of destination that each noun of a ``<Dial>`` stands for."""


@dataclass(frozen=True)
class Deed:
    """Something that was done to a call.

    Attributes:
        what: ``hangup``, ``transfer``, ``dtmf``, ``dial``, ``say``, ``conference`` or ``bridge``.
        call: Id of the call.
        detail: Destinations of a transfer as (kind, target), digits, a text, the name of a conference, …
        caller_id: Number that is shown; '' for the usual.
    """

    what: str
    call: str
    detail: Any = None
    caller_id: str = ""


@dataclass
class PlacedCall:
    """A call that was placed beside the caller's.

    Attributes:
        number: Who is called.
        document: What happens once they have answered.
    """

    number: str
    document: str = ""
    looked: int = 0
    facts: dict[str, Any] = field(default_factory=dict)


async def fetch(url: str) -> str:
    """Fetch a document as the phone system does."""
    async with httpx.AsyncClient(trust_env=False) as client:
        response = await client.get(url)
        response.raise_for_status()
        return response.text


class CallRestStandIn(StandIn):
    """A phone system with one call.

    Args:
        **common: Arguments of `StandIn`.

    Attributes:
        states: ``live``, ``ringing`` or ``ended``, by the id of the call.
        placed: Calls that were placed, by id.
        unanswered: Numbers at which nobody answers.
        rings: How often it is asked for a call that rings until it is answered.
        done: What was done, in order.
        lose: How many requests more lose their connection once they are carried out.
        refusal: Message with which everything is refused (422); '' for nothing.
        fetch: Gets the documents of URLs.
    """

    ENDPOINTS: ClassVar[tuple[str, ...]] = ("calls",)

    def __init__(self, **common: Any) -> None:
        super().__init__(**common)
        self.states = {CALLER: "live"}
        self.placed: dict[str, PlacedCall] = {}
        self.unanswered: set[str] = set()
        self.rings = 1
        self.done: list[Deed] = []
        self.lose = 0
        self.refusal = ""
        self.fetch: Callable[[str], Awaitable[str]] = fetch

    @property
    def base_url(self) -> str:
        return self.http_url

    @abstractmethod
    async def act(self, request: web.BaseRequest, body: Any, *path: str) -> web.Response:
        """Do what is asked.

        Args:
            request: The request.
            body: Its body, parsed.
            path: The segments of its path.

        Raises:
            HttpError: It cannot be done.
        """

    def route(self, request: web.BaseRequest) -> str:
        return "calls"

    def key_of(self, request: web.BaseRequest) -> str | None:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        return key if scheme == "Bearer" else None

    def error(self, status: int, message: str | None, detail: Mapping[str, Any]) -> web.Response:
        return web.json_response({"message": message or "no"}, status=status)

    async def answer(self, request: web.BaseRequest, log: LoggedRequest) -> web.StreamResponse:
        if self.refusal:
            raise HttpError(422, self.refusal)
        response = await self.act(request, log.body, *request.path.strip("/").split("/"))
        if self.lose:
            self.lose -= 1
            assert request.transport is not None
            request.transport.close()
            raise ConnectionResetError
        return response

    def deeds(self, what: str) -> list[Deed]:
        """What was done of one kind."""
        return [it for it in self.done if it.what == what]

    def live(self, call: str) -> bool:
        """Whether a call lives; also one that rings."""
        return self.states.get(call, "ended") != "ended"

    def end(self, call: str = CALLER) -> None:
        """End a call at its other side."""
        self.states[call] = "ended"

    def hang_up(self, call: str) -> None:
        """End a call because that was asked for."""
        self.done.append(Deed("hangup", call))
        self.end(call)

    def place(self, number: str, document: str = "", **facts: Any) -> str:
        """Place a call and return its id."""
        call = f"CA-{len(self.placed) + 1}"
        self.placed[call] = PlacedCall(number, document, facts=facts)
        self.states[call] = "ringing"
        self.done.append(Deed("dial", call, number, str(facts.get("caller_id", ""))))
        return call

    def look(self, call: str) -> str:
        """Return the state of a call; one that rings is answered when it was asked for `rings` times."""
        placed = self.placed.get(call)
        if placed is not None and self.states[call] == "ringing":
            placed.looked += 1
            if placed.looked > self.rings and placed.number not in self.unanswered:
                self.states[call] = "live"
                if placed.document:
                    self.run_xml(call, placed.document)
        return self.states.get(call, "ended")

    def run_xml(self, call: str, text: str) -> None:
        """Carry out a document of TwiML's kind."""
        response = ET.fromstring(text)
        if response.tag != "Response":
            raise HttpError(400, "no Response")
        for verb in response:
            match verb.tag:
                case "Say":
                    self.done.append(Deed("say", call, verb.text))
                case "Dial":
                    self._dial(call, verb)
                case _:
                    raise HttpError(400, "unknown verb")

    def _dial(self, call: str, verb: ET.Element) -> None:
        nouns = [(KINDS[noun.tag], noun.text) for noun in verb]
        caller_id = verb.get("callerId", "")
        if [kind for kind, _ in nouns] == ["conference"] and verb[0].get("endConferenceOnExit"):
            self.done.append(Deed("conference", call, nouns[0][1]))
        else:
            self.done.append(Deed("transfer", call, nouns, caller_id))


class FormMixin:
    """Bodies that are forms."""

    def parse_body(self, request: web.BaseRequest, body: bytes) -> Any:
        assert request.content_type == "application/x-www-form-urlencoded"
        return dict(parse_qsl(body.decode(), keep_blank_values=True))


def basic_of(request: web.BaseRequest) -> tuple[str, str]:
    """Return user and password of a request; empty when it has none."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Basic":
        return "", ""
    user, _, password = b64decode(text).decode().partition(":")
    return user, password
