"""A call is counted while it goes on, and takes its leave when it has cost as much as it may."""

from __future__ import annotations

import pytest

from models.aicall import EndReason
from models.customer import Prices
from pipelines.meter import Meter
from pipelines.vad.inference import InferenceEngine
from tests.pipelines.calls import GREETING, HOURS, THE_HOURS, calling

pytestmark = pytest.mark.virtual_time

FAREWELL = "That was all. Goodbye."


def a_meter(limit: float = 0.0) -> Meter:
    """A meter by which a character costs one."""
    meter = Meter()
    meter.prices, meter.limit = Prices(tts=1000), limit
    return meter


async def test_what_is_used_is_counted(inference: InferenceEngine) -> None:
    meter = a_meter()
    async with calling(inference=inference, starts=False) as call:
        call.conversation.metered_by(meter)
        await call.bot_lines(1)
        # Spaces between sentences are not spoken.
        assert meter.usage.tts_characters == len(GREETING) - GREETING.count(". ")
        await call.caller.say(HOURS)
        await call.bot_lines(2)
        assert len(GREETING + THE_HOURS) - 5 <= meter.usage.tts_characters <= len(GREETING + THE_HOURS) + 5
        assert 1 <= meter.usage.stt_seconds <= 120
    assert call.witness.reasons == []


async def test_it_takes_its_leave_when_it_has_cost_too_much(inference: InferenceEngine) -> None:
    meter = a_meter(limit=len(GREETING) + 1)
    async with calling(inference=inference, options={"spent_goodbye": FAREWELL}, starts=False) as call:
        call.conversation.metered_by(meter)
        await call.bot_lines(1)
        assert call.witness.reasons == []
        assert not call.conversation.ending
        await call.caller.say(HOURS)
        await call.witness.until(lambda: bool(call.witness.reasons))
        assert call.witness.reasons == [EndReason.MAX_SPEND]
        said = " ".join(call.witness.bot_lines())
        assert THE_HOURS.split(".", maxsplit=1)[0] in said
        assert said.endswith(FAREWELL)
        assert call.phone.unplayed_ms == 0


async def test_it_may_end_without_a_word(inference: InferenceEngine) -> None:
    async with calling(inference=inference, options={"spent_goodbye": ""}, starts=False) as call:
        call.conversation.metered_by(a_meter(limit=1))
        await call.witness.until(lambda: bool(call.witness.reasons))
        assert call.witness.reasons == [EndReason.MAX_SPEND]
        assert call.witness.bot_lines() == [GREETING]
