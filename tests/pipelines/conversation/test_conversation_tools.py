"""Tools that wait until their goodbye was heard, on virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from models.aicall import EndReason
from pipelines.vad.inference import InferenceEngine
from tests.pipelines import calls
from tests.pipelines.calls import GOODBYE, HOURS
from tests.pipelines.modelled import modelled
from tests.standins.replies import Reply

pytestmark = pytest.mark.virtual_time

TEL = {"type": "tel", "target": "+15551230001"}
WORDS = "I will connect you to a colleague. Please hold the line."


class Board(calls.Host):
    """Notes when the orchestrator is asked.

    Attributes:
        asked_s: The moments, on the loop's clock.
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked_s: list[float] = []
        carry_out = self.control.carry_out

        async def noted(request: Any) -> Any:
            self.asked_s.append(calls.now())
            return await carry_out(request)

        self.control.carry_out = noted  # type: ignore[method-assign]


@pytest.mark.parametrize("delay_s", [0.0, 0.4])
async def test_the_caller_is_connected_when_the_last_word_was_heard(inference: InferenceEngine, delay_s: float) -> None:
    host = Board()
    connect = Reply(WORDS, [("connect_call", {"destinations": [TEL]})])
    phone = calls.Phone(delay_s=delay_s)
    async with modelled(inference, "Hello.", connect, host=host, phone=phone) as (call, vendor):
        await call.bot_lines(1)
        await call.caller.say(HOURS)
        await call.witness.count("finished")
        heard_s = call.phone.heard[-1][0]
        assert 0 <= host.asked_s[0] - heard_s <= 0.15
        assert len(vendor.requests_to("chat")) == 2
    assert call.witness.reasons == [EndReason.CONNECT_CALL]
    assert call.witness.bot_lines()[-1] == WORDS


async def test_nothing_need_be_said_first(inference: InferenceEngine) -> None:
    host = Board()
    connect = Reply("", [("connect_call", {"destinations": [TEL]})])
    async with modelled(inference, "Hello.", connect, host=host) as (call, _):
        await call.bot_lines(1)
        await call.caller.say(HOURS)
        await call.witness.count("finished")
    assert len(host.asked_s) == 1
    assert call.witness.reasons == [EndReason.CONNECT_CALL]


async def test_a_caller_who_interrupts_is_listened_to_and_not_connected(inference: InferenceEngine) -> None:
    host = Board()
    endless = Reply("Please wait. " * 20, [("connect_call", {"destinations": [TEL]})])
    async with modelled(inference, "Hello.", endless, "Of course.", host=host) as (call, vendor):
        await call.bot_lines(1)
        await call.caller.say(HOURS)
        await vendor.until(lambda: len(vendor.requests_to("chat")) == 2)
        await asyncio.sleep(3)
        await call.caller.say(GOODBYE)
        lines = await call.bot_lines(3)
        assert lines[2] == "Of course."
        assert host.asked_s == []
        assert host.calls == [("connect_call", False)]
    assert call.witness.reasons == []


async def test_a_refusal_is_told_and_the_call_goes_on(inference: InferenceEngine) -> None:
    host = Board()
    host.control.cannot.update(("connect_call",))  # type: ignore[arg-type]
    connect = Reply("One moment.", [("connect_call", {"destinations": [TEL]})])
    async with modelled(inference, "Hello.", connect, "Nobody is there.", host=host) as (call, _):
        await call.bot_lines(1)
        await call.caller.say(HOURS)
        assert (await call.bot_lines(3))[-1] == "Nobody is there."
    assert call.witness.reasons == []
