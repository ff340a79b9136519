"""Phone systems behind their REST adapters, and what each of those adapters must do beyond the seat's contract."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import httpx
import pytest
from cryptography.fernet import Fernet

from adapters.callcontrol.base import ControlCommand, Leg
from adapters.callcontrol.documents import PATH, DocumentLinks
from adapters.callcontrol.rest import CallEnded, RestControl
from models.errors import InvalidField, ToolFailed
from tests.adapters.callcontrol.contract import ARGUMENTS, CallControlContract, FarEnd
from tests.adapters.tools.clients import local_client
from tests.standins.base import DEFAULT_KEY
from tests.standins.call_rest import CALLER, OWN_NUMBER, CallRestStandIn
from tests.standins.faults import Faults

TIMEOUT_S = 2.0
"""How long the adapters under test wait for an answer, seconds."""

System = TypeVar("System", bound=CallRestStandIn)


def leg(protocol: str, **changes: Any) -> Leg:
    """The caller's leg as a stream of this protocol gives it."""
    return Leg(protocol, CALLER, stream_id="MZ1", session=CALLER, to=OWN_NUMBER, **changes)


def links(server_url: str = "https://ai.example.com") -> DocumentLinks:
    """Links that this process alone can read."""
    return DocumentLinks(Fernet.generate_key().decode(), server_url, clock=time.time)


class RestEnd(FarEnd):
    """A stand-in and the adapter for it.

    Args:
        stand_in: The phone system.
        control: Its adapter.
        leg: The caller's leg.
        found: Reads what the adapter links to; None where it links to nothing.
    """

    repeats = False

    def __init__(
        self, stand_in: CallRestStandIn, control: RestControl, leg: Leg, found: DocumentLinks | None = None
    ) -> None:
        self.stand_in = stand_in
        self.control = control
        self.leg = leg
        if found is not None:

            async def fetch(url: str) -> str:
                path = urlsplit(url).path
                assert path.startswith(f"{PATH}/")
                return found.read(path.removeprefix(f"{PATH}/")).body

            stand_in.fetch = fetch

    def expected(self, command: ControlCommand) -> tuple[str, dict[str, Any]]:
        if command is ControlCommand.STOP_FLOW:
            return ControlCommand.HANGUP, {}
        return command, ARGUMENTS[command]

    def done(self) -> list[tuple[str, dict[str, Any]]]:
        found: list[tuple[str, dict[str, Any]]] = []
        digits = ""
        for deed in self.stand_in.done:
            match deed.what:
                case "hangup":
                    found.append((ControlCommand.HANGUP, {}))
                case "transfer":
                    to = [{"type": kind, "target": target} for kind, target in deed.detail]
                    found.append((ControlCommand.CONNECT_CALL, {"destinations": to}))
                case "dtmf":
                    # One request for each key is as good as one for all.
                    digits += deed.detail
        return [*found, (ControlCommand.SEND_DTMF, {"digits": digits})] if digits else found

    def lose_next(self) -> None:
        self.stand_in.lose = 1

    def refuse(self, why: str) -> None:
        self.stand_in.refusal = why

    async def vanish(self) -> None:
        await self.stand_in.stop()


@asynccontextmanager
async def rest_end(
    stand_in: System,
    make: Callable[[System, httpx.AsyncClient, DocumentLinks], RestControl],
    its_leg: Leg,
    *,
    secrets: tuple[str, ...] = (DEFAULT_KEY,),
) -> AsyncIterator[RestEnd]:
    """Start a phone system and make the adapter for it."""
    async with stand_in:
        found = links()
        end = RestEnd(stand_in, make(stand_in, local_client(), found), its_leg, found)
        end.secrets = secrets
        try:
            yield end
        finally:
            await end.control.aclose()


class RestControlContract(CallControlContract):
    """What every adapter of a REST interface must do as well."""

    @pytest.fixture
    def rest(self, end: FarEnd) -> RestEnd:
        return cast("RestEnd", end)

    @pytest.mark.parametrize("command", [ControlCommand.HANGUP, ControlCommand.STOP_FLOW])
    async def test_what_has_ended_already_is_ended(self, rest: RestEnd, command: ControlCommand) -> None:
        rest.stand_in.end()
        assert await rest.ask(command) == {"message": "the call had ended already"}
        assert rest.done() == []

    @pytest.mark.parametrize("command", [ControlCommand.CONNECT_CALL, ControlCommand.SEND_DTMF])
    async def test_nothing_else_can_be_done_with_it(self, rest: RestEnd, command: ControlCommand) -> None:
        rest.stand_in.end()
        with pytest.raises(ToolFailed) as caught:
            await rest.ask(command)
        assert isinstance(caught.value, CallEnded) is rest.control.can(command, rest.leg)

    async def test_a_hang_up_whose_answer_was_lost_is_done(self, rest: RestEnd) -> None:
        rest.lose_next()
        assert await rest.ask(ControlCommand.HANGUP) in ({}, {"message": "the call had ended already"})
        assert rest.done() == [(ControlCommand.HANGUP, {})]

    async def test_credentials_that_are_wrong(self, rest: RestEnd) -> None:
        rest.stand_in.keys = {"another"}
        rest.stand_in.key_is_good = lambda request: False  # type: ignore[method-assign]
        with pytest.raises(ToolFailed, match="401") as caught:
            await rest.ask(ControlCommand.HANGUP)
        assert not caught.value.retryable

    @pytest.mark.parametrize(("status", "retryable"), [(403, False), (429, True), (500, True), (503, True)])
    async def test_a_status_that_is_no_success(self, rest: RestEnd, status: int, retryable: bool) -> None:
        rest.stand_in.faults = Faults(status=status, retry_after_s=30)
        with pytest.raises(ToolFailed, match=str(status)) as caught:
            await rest.ask(ControlCommand.HANGUP)
        assert caught.value.retryable is retryable
        # Who asks for half a minute is not asked again: the caller would wait.
        assert len(rest.stand_in.requests) == 1
        assert rest.done() == []

    @pytest.mark.parametrize("status", [429, 500])
    async def test_one_that_passes(self, rest: RestEnd, status: int) -> None:
        rest.stand_in.faults = Faults(status=status, retry_after_s=0, first=1)
        await rest.ask(ControlCommand.HANGUP)
        assert rest.done() == [(ControlCommand.HANGUP, {})]

    async def test_an_answer_that_does_not_come(self, rest: RestEnd) -> None:
        rest.stand_in.faults = Faults(delay_s=60)
        with pytest.raises(ToolFailed) as caught:
            await rest.ask(ControlCommand.HANGUP)
        assert caught.value.timed_out

    async def test_an_answer_of_somebody_in_between(self, rest: RestEnd) -> None:
        rest.stand_in.faults = Faults(status=502, answer=("text/html", b"<h1>Bad gateway</h1>"))
        with pytest.raises(ToolFailed, match="502"):
            await rest.ask(ControlCommand.HANGUP)

    @pytest.mark.parametrize(
        ("kind", "target", "shown"),
        [("tel", "+44 20 7946-0000", "+442079460000"), ("sip", "ann@example.com", "sip:ann@example.com")],
    )
    async def test_destinations(self, rest: RestEnd, kind: str, target: str, shown: str) -> None:
        await rest.ask(ControlCommand.CONNECT_CALL, arguments={"destinations": [{"type": kind, "target": target}]})
        assert [deed.detail for deed in rest.stand_in.deeds("transfer")] == [[(kind, shown)]]

    @pytest.mark.parametrize(
        "address",
        [{"type": "tel", "target": "the boss"}, {"type": "sip", "target": "a b"}, {"type": "dream", "target": "x"}],
    )
    async def test_destinations_that_are_none(self, rest: RestEnd, address: dict[str, str]) -> None:
        with pytest.raises(ToolFailed):
            await rest.ask(ControlCommand.CONNECT_CALL, arguments={"destinations": [address]})
        assert rest.stand_in.done == []

    async def test_the_number_to_show(self, rest: RestEnd) -> None:
        source = {"type": "tel", "target": "+15557770000"}
        arguments = {**ARGUMENTS[ControlCommand.CONNECT_CALL], "source": source}
        await rest.ask(ControlCommand.CONNECT_CALL, arguments=arguments)
        [deed] = rest.stand_in.deeds("transfer")
        assert deed.caller_id.lstrip("+") == "15557770000"

    @pytest.mark.parametrize("digits", ["", "x", "1" * 65, 7])
    async def test_digits_that_are_none(self, rest: RestEnd, digits: Any) -> None:
        if rest.control.can(ControlCommand.SEND_DTMF, rest.leg):
            with pytest.raises(InvalidField):
                await rest.ask(ControlCommand.SEND_DTMF, arguments={"digits": digits})
            assert rest.stand_in.done == []

    @pytest.mark.parametrize("changed", [None, Leg("plain", CALLER), Leg("", CALLER)])
    async def test_calls_of_others_are_not_its_own(self, rest: RestEnd, changed: Leg | None) -> None:
        assert not rest.control.can(ControlCommand.HANGUP, changed)
        rest.leg = changed  # type: ignore[assignment]
        with pytest.raises(ToolFailed):
            await rest.ask(ControlCommand.HANGUP)
        assert rest.stand_in.requests == []

    async def test_a_call_whose_id_leads_elsewhere(self, rest: RestEnd) -> None:
        assert rest.leg is not None
        for strange in ("../../Messages", "..", "a?b", "ü/%2e%2e"):
            rest.leg = Leg(rest.leg.protocol, strange, rest.leg.account_id)
            with pytest.raises(ToolFailed):
                await rest.ask(ControlCommand.CONNECT_CALL, key=strange)
        assert rest.stand_in.done == []
