"""The recogniser changes where nothing that was said can get lost."""

from __future__ import annotations

import asyncio

import pytest
from pipecat.frames.frames import (
    InputAudioRawFrame,
    STTMetadataFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)

from adapters.stt.frames import SpeechNotUnderstoodFrame, TranscriptCompleteFrame
from pipelines.failover.failures import Seat
from pipelines.team.listening_seat import ListeningSeat
from tests.pipelines.team.benches import Cast
from tests.standins.pipeline import Pipe, piped

pytestmark = pytest.mark.virtual_time

RATE_HZ = 16_000


def audio(number: int, seconds: float = 0.1) -> InputAudioRawFrame:
    samples = int(RATE_HZ * seconds)
    return InputAudioRawFrame(number.to_bytes(2, "little") * samples, sample_rate=RATE_HZ, num_channels=1)


def numbers(heard: list[bytes]) -> list[int]:
    return [int.from_bytes(it[:2], "little") for it in heard]


def holder(seat: ListeningSeat) -> object:
    """Which member's recogniser listens."""
    return seat.key


async def hear(pipe: Pipe, *pieces: int) -> None:
    await pipe.send(*(audio(it) for it in pieces))
    await asyncio.sleep(0.01)


@pytest.fixture
def cast() -> Cast:
    return Cast(Seat.STT)


async def test_while_nobody_speaks_it_changes_at_once(cast: Cast) -> None:
    seat = ListeningSeat(cast.plan("a"))
    changed: list[str] = []
    seat.on_changed = lambda: changed.append(seat.provider)
    async with piped(seat) as pipe:
        assert await seat.prepare(cast.plan("b"))
        await hear(pipe, *range(1, 21))
        seat.change_when_quiet("b")
        await hear(pipe, 21, 22)
        assert changed == ["b"]
        assert numbers(cast["a"].heard) == list(range(1, 21))
        # What was just heard may be the beginning of a word, and comes first.
        assert numbers(cast["b"].heard) == list(range(11, 23))
        assert [it.service_name for it in pipe.down.of(STTMetadataFrame)][-1] == "b"


@pytest.mark.parametrize(
    "result",
    [
        lambda: TranscriptionFrame("hello", "", "", finalized=True),
        TranscriptCompleteFrame,
        SpeechNotUnderstoodFrame,
    ],
)
async def test_who_began_to_hear_a_sentence_hears_it_to_its_end(cast: Cast, result: type) -> None:
    seat = ListeningSeat(cast.plan("a"))
    async with piped(seat) as pipe:
        assert await seat.prepare(cast.plan("b"))
        await pipe.send(VADUserStartedSpeakingFrame())
        await hear(pipe, 1, 2)
        seat.change_when_quiet("b")
        await hear(pipe, 3)
        await cast["a"].push_frame(TranscriptionFrame("hel", "", ""))
        await pipe.send(VADUserStoppedSpeakingFrame())
        await hear(pipe, 4)
        assert holder(seat) == "a"
        await cast["a"].push_frame(result())
        await asyncio.sleep(0.01)
        assert holder(seat) == "b"
        await hear(pipe, 5)
        assert numbers(cast["a"].heard) == [1, 2, 3, 4]
        # What was recognised is not heard again, and what came since is.
        assert numbers(cast["b"].heard) == [4, 5]


async def test_a_recogniser_that_owes_its_text_is_not_waited_for_for_ever(cast: Cast) -> None:
    seat = ListeningSeat(cast.plan("a"))
    async with piped(seat) as pipe:
        assert await seat.prepare(cast.plan("b"))
        await pipe.send(VADUserStartedSpeakingFrame(), VADUserStoppedSpeakingFrame())
        await asyncio.sleep(0.01)
        seat.change_when_quiet("b")
        await asyncio.sleep(2.5)
        assert holder(seat) == "a"
        await asyncio.sleep(1)
        assert holder(seat) == "b"


async def test_one_that_is_stalled_gives_way_at_once(cast: Cast) -> None:
    seat = ListeningSeat(cast.plan("a"))
    async with piped(seat) as pipe:
        assert not await seat.stalled()
        assert await seat.prepare(cast.plan("b"))
        await pipe.send(VADUserStartedSpeakingFrame())
        await asyncio.sleep(0.01)
        seat.change_when_quiet("b")
        assert holder(seat) == "a"
        assert await seat.stalled()
        assert holder(seat) == "b"


async def test_the_last_wish_counts(cast: Cast) -> None:
    seat = ListeningSeat(cast.plan("a"))
    async with piped(seat) as pipe:
        for name in "bc":
            assert await seat.prepare(cast.plan(name))
        await pipe.send(VADUserStartedSpeakingFrame())
        await asyncio.sleep(0.01)
        seat.change_when_quiet("b")
        seat.change_when_quiet("c")
        await pipe.send(VADUserStoppedSpeakingFrame())
        await asyncio.sleep(4)
        assert holder(seat) == "c"


async def test_the_same_recogniser_with_other_manners(cast: Cast) -> None:
    seat = ListeningSeat(cast.plan("a"))
    changed: list[str] = []
    seat.on_changed = lambda: changed.append(seat.provider)
    async with piped(seat) as pipe:
        await hear(pipe, 1)
        seat.change_when_quiet("a")
        await hear(pipe, 2)
        assert changed == ["a"]
        assert numbers(cast["a"].heard) == [1, 2]
