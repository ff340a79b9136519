"""A call that tools can be tried on, and outside systems that only this test's own process sees."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from adapters.callcontrol.base import CallControl, ControlCommand, ControlRequest, Leg
from adapters.mail.base import Email, Mailer
from models.aicall import EndReason
from models.errors import NotFound
from pipelines.tools.host import KnowledgeSearch, ToolDesk

AICALL_ID = UUID("a1b2c3d4-e5f6-7890-abcd-ef1234567890")
EARLIER_ID = UUID("b2c3d4e5-f6a7-8901-bcde-f12345678901")


class Doing:
    """Something that is asked to do things, and writes down what.

    Attributes:
        done: What was done, in order.
        hangs: Whether what is asked for never comes to an end.
        until: What is asked for ends when this is set; None for at once.
        fails: What somebody who asks for something gets instead.
    """

    def __init__(self) -> None:
        self.done: list[str] = []
        self.hangs = False
        self.until: asyncio.Event | None = None
        self.fails: Exception | None = None

    async def do(self, what: str) -> None:
        if self.fails is not None:
            raise self.fails
        if self.hangs:
            await asyncio.get_running_loop().create_future()
        if self.until is not None:
            await self.until.wait()
        self.done.append(what)


class Switchboard(CallControl):
    """Call control that notes what it is asked.

    Attributes:
        doing: Says how it behaves.
        requests: What it was asked, from the moment at which it was.
        answer: What it answers.
        cannot: What it cannot do.
    """

    def __init__(self, doing: Doing) -> None:
        self.doing = doing
        self.requests: list[ControlRequest] = []
        self.answer: dict[str, Any] = {}
        self.cannot: set[ControlCommand] = set()

    def can(self, command: ControlCommand, leg: Leg | None = None) -> bool:
        del leg
        return command not in self.cannot

    async def carry_out(self, request: ControlRequest) -> Mapping[str, Any]:
        self.requests.append(request)
        await self.doing.do(request.command)
        return self.answer

    async def aclose(self) -> None:
        """Nothing is open."""


class PostOffice(Mailer):
    """A mail system that keeps what it is given."""

    def __init__(self, doing: Doing) -> None:
        self.doing = doing
        self.emails: list[Email] = []

    async def send(self, email: Email) -> None:
        await self.doing.do("send_email")
        self.emails.append(email)


class Library(KnowledgeSearch):
    """A knowledge base with one answer."""

    def __init__(self, doing: Doing) -> None:
        self.doing = doing
        self.results = [{"text": "We open at eight.", "source": "hours.md", "score": 0.9}]
        self.limits: list[int] = []

    async def search_knowledge(self, query: str, limit: int) -> list[dict[str, Any]]:
        self.limits.append(limit)
        await self.doing.do(f"search {query}")
        return self.results


class CallHost:
    """A `pipelines.tools.host.ToolHost` that writes down what tools do to it.

    Attributes:
        doing: What was done, and how it behaves.
        aicall: The AIcall's document.
        heard: When set, what was said before was heard; None for at once.
        reasons: Why the call was ended.
        leg: The caller's leg.
        partings: For what the caller was to be taken away, and whether that was done.
    """

    aicall_id = AICALL_ID

    def __init__(self, *, connected: bool = True) -> None:
        self.doing = Doing()
        self.variables: dict[str, str] = {"caller": "Ann"}
        self.aicall: dict[str, Any] = {"id": str(AICALL_ID), "reference_type": "call"}
        self.heard: asyncio.Event | None = None
        self.reasons: list[EndReason] = []
        self.leg: Leg | None = Leg("twilio", "CA1")
        self.partings: list[EndReason | bool] = []
        self.control = Switchboard(self.doing)
        self.mailer = PostOffice(self.doing)
        self.library = Library(self.doing)
        self.desk = ToolDesk(control=self.control, mailer=self.mailer) if connected else ToolDesk()
        self.knowledge: KnowledgeSearch | None = self.library if connected else None

    @property
    def done(self) -> list[str]:
        return self.doing.done

    async def set_variables(self, variables: Mapping[str, str]) -> None:
        await self.doing.do("set_variables")
        self.variables.update(variables)

    async def messages(self, aicall_id: UUID) -> list[dict[str, Any]]:
        await self.doing.do(f"messages {aicall_id}")
        known = {AICALL_ID: "Hello", EARLIER_ID: "Earlier"}
        if aicall_id not in known:
            raise NotFound("aicall", str(aicall_id))
        return [{"role": "user", "content": known[aicall_id]}]

    async def stop_media(self) -> None:
        await self.doing.do("stop_media")

    async def stop_service(self, reason: EndReason = EndReason.STOP_SERVICE) -> None:
        await self.doing.do("stop_service")
        self.reasons.append(reason)

    def parting(self, reason: EndReason) -> None:
        self.partings.append(reason)

    def parted(self, *, done: bool) -> None:
        self.partings.append(done)

    async def when_heard(self) -> None:
        if self.heard is not None:
            await self.heard.wait()
        self.done.append("heard")
