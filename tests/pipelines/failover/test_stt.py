from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pydantic import SecretStr

from adapters.clients import SharedClients
from adapters.stt.build import build_stt
from adapters.stt.frames import CallerPausedFrame, CallerResumedFrame, TranscriptCompleteFrame
from models.providers import SttType
from pipelines.failover.stt import SttFailover, TellsUnheard, without_overlap
from tests.pipelines.puppets import Puppet, Puppets
from tests.standins.pipeline import Pipe, piped

RATE_HZ = 8_000


class Precise(Puppet):
    """A recogniser that says how far its transcripts reach."""

    unheard_s = 0.0


@asynccontextmanager
async def recognisers(kind: type[Puppet] = Puppet) -> AsyncIterator[tuple[Pipe, Puppets]]:
    puppets = Puppets(lambda: kind((InputAudioRawFrame,)))
    async with piped(SttFailover(puppets.candidates), RATE_HZ) as pipe:
        yield pipe, puppets


def audio(number: int, seconds: float = 0.1) -> InputAudioRawFrame:
    return InputAudioRawFrame(bytes([number, 0]) * round(seconds * RATE_HZ), RATE_HZ, 1)


def final(text: str, *, finalized: bool = False) -> TranscriptionFrame:
    frame = TranscriptionFrame(text, "", "")
    frame.finalized = finalized
    return frame


async def say(pipe: Pipe, puppets: Puppets, *frames: Frame) -> None:
    """Let the first recogniser hear something."""
    got = len(puppets.first.got)
    await pipe.send(*frames)
    await puppets.first.until_got(Frame, got + len(frames))


def numbers(puppet: Puppet) -> list[int]:
    """Which audio a recogniser got."""
    return [frame.audio[0] for frame in puppet.of(InputAudioRawFrame)]


STARTED, STOPPED = VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame


@pytest.mark.parametrize("name", ["deepgram", "elevenlabs", "cartesia"])
def test_ours_say_how_far_their_transcripts_reach(name: str) -> None:
    ours = build_stt(
        SttType(name),
        key=SecretStr("key"),
        language="en",
        sample_rate_hz=RATE_HZ,
        stop_secs=0.2,
        resources=SharedClients(),
        environ={},
    )
    assert isinstance(ours, TellsUnheard)
    assert ours.unheard_s == 0
    assert not isinstance(Puppet((Frame,)), TellsUnheard)


async def test_the_next_recogniser_hears_the_unfinished_speech_in_its_order() -> None:
    async with recognisers() as (pipe, puppets):
        spoken = [audio(1), STARTED(), audio(2), CallerPausedFrame(), audio(3), CallerResumedFrame(), audio(4)]
        await say(pipe, puppets, *spoken)
        await puppets.first.fail()
        second = await puppets.second()
        await pipe.send(audio(5), STOPPED())
        await second.until_got(STOPPED)
        assert [type(frame) for frame in second.got if not isinstance(frame, InputAudioRawFrame)][1:] == [
            STARTED,
            CallerPausedFrame,
            CallerResumedFrame,
            STOPPED,
        ]
        assert numbers(second) == [1, 2, 3, 4, 5]
        # Those behind hear of each of it once.
        await pipe.down.wait(STOPPED)
        kinds = [type(frame) for frame in pipe.down.frames]
        assert [kinds.count(kind) for kind in (STARTED, CallerPausedFrame, CallerResumedFrame, STOPPED)] == [1] * 4


async def test_what_has_its_final_transcript_is_not_heard_again() -> None:
    async with recognisers() as (pipe, puppets):
        await say(pipe, puppets, audio(1), STARTED(), audio(2), STOPPED())
        await puppets.first.say(final("two", finalized=True))
        await say(pipe, puppets, audio(3), STARTED(), audio(4))
        await puppets.first.fail()
        second = await puppets.second()
        await second.until_got(InputAudioRawFrame, 2)
        assert numbers(second) == [3, 4]


async def test_nothing_was_said() -> None:
    async with recognisers() as (pipe, puppets):
        await say(pipe, puppets, STARTED(), audio(2), STOPPED())
        await puppets.first.say(TranscriptCompleteFrame())
        await say(pipe, puppets, audio(3))
        await puppets.first.fail()
        second = await puppets.second()
        await second.until_got(InputAudioRawFrame)
        assert numbers(second) == [3]


async def test_speech_that_waits_for_its_transcript_gets_it_from_the_next() -> None:
    async with recognisers() as (pipe, puppets):
        await say(pipe, puppets, audio(1), STARTED(), audio(2), STOPPED(), audio(3))
        await puppets.first.fail()
        second = await puppets.second()
        await second.until_got(InputAudioRawFrame, 3)
        assert second.of(STARTED)
        assert second.of(STOPPED)
        await second.say(final("two", finalized=True))
        (heard,) = await pipe.down.wait(TranscriptionFrame)
        assert heard.text == "two"


async def test_a_recogniser_that_says_how_far_its_transcripts_reach_is_believed() -> None:
    async with recognisers(Precise) as (pipe, puppets):
        first = puppets.first
        assert isinstance(first, Precise)
        await say(pipe, puppets, STARTED(), *[audio(number) for number in range(1, 9)])
        first.unheard_s = 0.3
        await first.say(final("one to five"))
        await say(pipe, puppets, audio(9))
        await first.fail()
        second = await puppets.second()
        await second.until_got(InputAudioRawFrame, 4)
        assert numbers(second) == [6, 7, 8, 9]
        # It must know that the caller speaks.
        assert isinstance(second.got[1], STARTED)
        await second.say(final("five six"))
        (_, heard) = await pipe.down.wait(TranscriptionFrame, 2)
        assert heard.text == "five six"


async def test_words_of_doubtful_audio_come_once() -> None:
    async with recognisers() as (pipe, puppets):
        await say(pipe, puppets, STARTED(), *[audio(number) for number in range(1, 9)])
        await puppets.first.say(final("I would like to book"))
        await say(pipe, puppets, audio(9))
        await puppets.first.fail()
        second = await puppets.second()
        await second.until_got(InputAudioRawFrame, 6)
        assert numbers(second) == [4, 5, 6, 7, 8, 9]
        await second.say(final("To book, a table."), final("book"))
        heard = await pipe.down.wait(TranscriptionFrame, 3)
        assert [frame.text for frame in heard] == ["I would like to book", "a table.", "book"]


async def test_silence_is_not_kept() -> None:
    async with recognisers() as (pipe, puppets):
        await say(pipe, puppets, *[audio(number) for number in range(1, 40)])
        await puppets.first.fail()
        second = await puppets.second()
        await second.until_got(InputAudioRawFrame, 10)
        assert numbers(second) == list(range(30, 40))


async def test_of_very_long_speech_the_last_is_kept() -> None:
    puppets = Puppets(lambda: Puppet((InputAudioRawFrame,)))
    seat = SttFailover(puppets.candidates)
    async with piped(seat, RATE_HZ) as pipe:
        await say(pipe, puppets, STARTED(), *[audio(number, 1.0) for number in range(1, 31)])
        assert seat.kept_s == pytest.approx(15.0)
        await puppets.first.fail()
        second = await puppets.second()
        await second.until_got(InputAudioRawFrame, 15)
        assert numbers(second) == list(range(16, 31))
        assert isinstance(second.got[1], STARTED)


@pytest.mark.parametrize(
    ("before", "text", "rest"),
    [
        (["to", "book"], "To book, a table", "a table"),
        (["to", "book"], "book a table", "a table"),
        (["to", "book"], "a table", "a table"),
        (["yes"], "yes", ""),
        ([], "yes", "yes"),
        (["a"], "", ""),
    ],
)
def test_an_overlap_is_dropped(before: list[str], text: str, rest: str) -> None:
    assert without_overlap(before, text) == rest
