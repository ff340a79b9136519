"""A conversation ends once, for the first reason that was given."""

import asyncio
from dataclasses import dataclass, field

import pytest

from models.aicall import EndReason
from pipelines.conversation.ending import Ending

pytestmark = pytest.mark.virtual_time


@dataclass
class Told:
    endings: int = 0
    reasons: list[EndReason] = field(default_factory=list)

    def ending(self) -> None:
        self.endings += 1


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def ending(told: Told) -> Ending:
    return Ending(told.ending, told.reasons.append)


async def test_it_ends_once(ending: Ending, told: Told) -> None:
    ending.finish(EndReason.IDLE)
    ending.finish(EndReason.PROVIDER_ERROR)
    assert ending.begun
    assert ending.finished
    assert told.reasons == [EndReason.IDLE]


async def test_last_words_have_their_time(ending: Ending, told: Told) -> None:
    ending.finish_within(5.0, EndReason.STOP_SERVICE)
    assert ending.begun
    assert not ending.finished
    assert told.endings == 1
    await asyncio.sleep(4.9)
    assert told.reasons == []
    await asyncio.sleep(0.2)
    assert told.reasons == [EndReason.STOP_SERVICE]


async def test_the_first_limit_and_its_reason_stay(ending: Ending, told: Told) -> None:
    ending.finish_within(5.0, EndReason.STOP_SERVICE)
    ending.finish_within(1.0, EndReason.PROVIDER_ERROR)
    await asyncio.sleep(2.0)
    assert told.reasons == []
    await asyncio.sleep(4.0)
    assert told.reasons == [EndReason.STOP_SERVICE]


async def test_nobody_is_told_of_an_end_from_outside(ending: Ending, told: Told) -> None:
    ending.finish_within(1.0, EndReason.STOP_SERVICE)
    ending.close()
    await asyncio.sleep(2.0)
    assert ending.finished
    assert told.reasons == []


async def test_what_was_cancelled_does_not_come(ending: Ending, told: Told) -> None:
    ending.finish_within(1.0, EndReason.STOP_SERVICE)
    ending.cancel()
    await asyncio.sleep(2.0)
    assert told.reasons == []
