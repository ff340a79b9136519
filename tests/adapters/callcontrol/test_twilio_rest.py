from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr

from adapters.callcontrol.base import ControlCommand
from adapters.callcontrol.twilio_rest import SignalWireRestControl, TwilioRestControl
from models.errors import ToolFailed
from tests.adapters.callcontrol.contract import TEL
from tests.adapters.callcontrol.far_ends import TIMEOUT_S, RestControlContract, RestEnd, leg, rest_end
from tests.standins.base import DEFAULT_KEY
from tests.standins.call_rest import ACCOUNT, CALLER, OWN_NUMBER, Deed
from tests.standins.twilio_rest import SignalWireRestStandIn, TwilioRestStandIn

SECOND = {"type": "sip", "target": "sip:bob@example.com", "target_name": "Bob"}


def twilio() -> Any:
    return rest_end(
        TwilioRestStandIn(),
        lambda it, client, _: TwilioRestControl(
            ACCOUNT, SecretStr(DEFAULT_KEY), client, base_url=it.base_url, timeout_s=TIMEOUT_S
        ),
        leg("twilio", account_id=ACCOUNT),
    )


def signalwire() -> Any:
    return rest_end(
        SignalWireRestStandIn(),
        lambda it, client, links: SignalWireRestControl(
            "", ACCOUNT, SecretStr(DEFAULT_KEY), client, links, base_url=it.base_url, timeout_s=TIMEOUT_S
        ),
        # SignalWire's stream may name no account, or another one: the configured project counts.
        leg("signalwire", account_id="another"),
    )


class TestTwilio(RestControlContract):
    def far_end(self) -> Any:
        return twilio()


class TestSignalWire(RestControlContract):
    def far_end(self) -> Any:
        return signalwire()


@pytest.fixture(params=[twilio, signalwire], ids=["twilio", "signalwire"])
async def end(request: pytest.FixtureRequest) -> AsyncIterator[RestEnd]:
    async with request.param() as end:
        yield end


async def warm(end: RestEnd, *destinations: dict[str, str], **more: Any) -> dict[str, Any]:
    arguments = {"destinations": list(destinations) or [TEL], "mode": "warm", "summary": "Ann asks for <help>", **more}
    return await end.ask(ControlCommand.CONNECT_CALL, arguments=arguments)


async def test_several_at_once(end: RestEnd) -> None:
    await end.ask(ControlCommand.CONNECT_CALL, arguments={"destinations": [TEL, SECOND]})
    [deed] = end.stand_in.deeds("transfer")
    assert deed.detail == [("tel", "+15551230001"), ("sip", "sip:bob@example.com")]


async def test_a_consultant_hears_what_it_is_about_and_has_the_caller(end: RestEnd) -> None:
    assert await warm(end) == {"message": "+15551230001 has the caller"}
    room = "aicall-key-1-0"
    assert end.stand_in.done == [
        # The only number that may be shown is our own.
        Deed("dial", "CA-1", "+15551230001", OWN_NUMBER),
        Deed("say", "CA-1", "Ann asks for <help>"),
        Deed("conference", "CA-1", room),
        Deed("conference", CALLER, room),
    ]


async def test_the_next_one_is_asked_when_the_first_does_not_answer(end: RestEnd) -> None:
    end.stand_in.unanswered = {"+15551230001"}
    asking = asyncio.ensure_future(warm(end, TEL, SECOND))
    await end.stand_in.until(lambda: any(it.looked for it in end.stand_in.placed.values()))
    # They decline.
    end.stand_in.end("CA-1")
    assert await asking == {"message": "Bob has the caller"}
    assert [deed.call for deed in end.stand_in.deeds("conference")] == ["CA-2", CALLER]


async def test_the_caller_stays_when_nobody_answers(end: RestEnd) -> None:
    end.stand_in.unanswered = {"+15551230001"}
    asking = asyncio.ensure_future(warm(end))
    await end.stand_in.until(lambda: any(it.looked for it in end.stand_in.placed.values()))
    end.stand_in.end("CA-1")
    with pytest.raises(ToolFailed, match="nobody answered; the caller is still with you"):
        await asking
    assert end.stand_in.deeds("conference") == []
    assert end.stand_in.live(CALLER)


async def test_a_phone_does_not_ring_on_for_a_tool_that_was_cancelled(end: RestEnd) -> None:
    end.stand_in.unanswered = {"+15551230001"}
    asking = asyncio.ensure_future(warm(end))
    await end.stand_in.until(lambda: any(it.looked for it in end.stand_in.placed.values()))
    asking.cancel()
    await asyncio.wait({asking})
    assert asking.cancelled()
    assert end.stand_in.deeds("hangup") == [Deed("hangup", "CA-1")]


async def test_a_consultant_is_not_left_alone_when_the_caller_has_gone(end: RestEnd) -> None:
    end.stand_in.rings = 0
    asking = asyncio.ensure_future(warm(end))
    await end.stand_in.until(lambda: bool(end.stand_in.placed))
    end.stand_in.end()
    with pytest.raises(ToolFailed, match="ended already"):
        await asking
    assert Deed("hangup", "CA-1") in end.stand_in.done


async def test_nobody_can_be_consulted_at_a_conference(end: RestEnd) -> None:
    with pytest.raises(ToolFailed, match="type tel or sip"):
        await warm(end, {"type": "conference", "target": "room"})
    assert end.stand_in.done == []
