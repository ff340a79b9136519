"""Greetings that are recorded and played again, with each voice: first synthesised, then from the cache."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from pipecat.frames.frames import (
    ErrorFrame,
    Frame,
    InterruptionFrame,
    LLMAssistantPushAggregationFrame,
    LLMRunFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.services.tts_service import TTSService

from adapters.clients import SharedClients, VendorLimits
from adapters.tts.build import build_tts, voice_identity
from models.providers import TtsType
from models.turn import TurnTrigger
from pipelines.failover.stall_watch import StallLimits, StallWatch
from pipelines.media.output import MediaOutput
from pipelines.speech.greeting_cache import GreetingCache, GreetingKey, Recording
from pipelines.speech.greeting_player import GreetingPlayer, ReplayGreetingFrame
from pipelines.turns.ledger import TurnLedger
from tests.adapters.vendors import BOUND_S, IMPATIENT, KEY, clients_with, until
from tests.pipelines.calls import Phone, now
from tests.pipelines.calls import Voice as EmbeddedVoice
from tests.standins.base import StandIn
from tests.standins.deepgram import DeepgramStandIn
from tests.standins.elevenlabs import ElevenLabsStandIn
from tests.standins.faults import Faults
from tests.standins.openai import OpenAIStandIn
from tests.standins.pipeline import Pipe, piped

GREETING = "Good morning, this is the clinic. How can I help you?"
OTHER = "We close at five."
STAND_INS: dict[TtsType, type[Any]] = {
    TtsType.ELEVENLABS: ElevenLabsStandIn,
    TtsType.OPENAI: OpenAIStandIn,
    TtsType.DEEPGRAM: DeepgramStandIn,
}
VOICES = pytest.mark.parametrize("tts_type", [TtsType.ESPEAK, *STAND_INS])
VENDORS = pytest.mark.parametrize("tts_type", list(STAND_INS))


@dataclass
class Line:
    """A call as far as its greeting is concerned."""

    pipe: Pipe
    player: GreetingPlayer

    async def greet(self, text: str = GREETING) -> list[Frame]:
        """Say the greeting; returns the frames of it once it is through, errors or not."""
        for frame in (*self.player.frames(text), LLMRunFrame()):
            await self.pipe.send(frame)
        await self.pipe.down.wait(LLMRunFrame, timeout_s=BOUND_S)
        return self.said()

    def said(self) -> list[Frame]:
        kinds = (TTSStartedFrame, TTSAudioRawFrame, TTSTextFrame, TTSStoppedFrame, LLMAssistantPushAggregationFrame)
        return [frame for frame in self.pipe.down.frames if isinstance(frame, kinds)]


class Office:
    """A process with one voice and one cache."""

    def __init__(self, tts_type: TtsType, vendor: StandIn | None, clients: SharedClients) -> None:
        self.cache = GreetingCache()
        self.vendor = vendor
        self._tts_type = tts_type
        self._arguments: dict[str, Any] = {
            "key": KEY,
            "voice": "",
            "language": "en-US",
            "sample_rate_hz": 8000,
            "resources": clients,
            "environ": {f"AICALL_BASE_URL_{tts_type.upper()}": vendor.base_url} if vendor is not None else {},
        }

    @property
    def identity(self) -> str:
        return voice_identity(self._tts_type, **self._arguments)

    @asynccontextmanager
    async def line(self, *, kept: bool = True) -> AsyncIterator[Line]:
        voice: TTSService = build_tts(self._tts_type, **self._arguments)
        player = GreetingPlayer(voice, self.cache, self.identity if kept else "")
        async with piped(Pipeline([voice, player]), 8000) as pipe:
            yield Line(pipe, player)

    async def greeted(self, text: str = GREETING) -> list[Frame]:
        """What a call's greeting is made of."""
        async with self.line() as line:
            return await line.greet(text)


@asynccontextmanager
async def opened(tts_type: TtsType, limits: VendorLimits | None = None) -> AsyncIterator[Office]:
    async with clients_with(limits or VendorLimits()) as clients:
        if tts_type not in STAND_INS:
            yield Office(tts_type, None, clients)
            return
        async with STAND_INS[tts_type]() as vendor:
            yield Office(tts_type, vendor, clients)
            await clients.aclose()
            await until(lambda: not vendor.open_connections)


def pcm(frames: list[Frame]) -> bytes:
    return b"".join(frame.audio for frame in frames if isinstance(frame, TTSAudioRawFrame))


def shape(frames: list[Frame]) -> list[tuple[object, ...]]:
    """Kinds and contents in order, with the words' times after the first of them, nanoseconds."""
    first_ns = next((frame.pts for frame in frames if isinstance(frame, TTSTextFrame)), None)
    shapes: list[tuple[object, ...]] = []
    for frame in frames:
        content: tuple[object, ...] = ()
        if isinstance(frame, TTSAudioRawFrame):
            content = (frame.audio, frame.sample_rate, frame.num_channels)
        elif isinstance(frame, TTSTextFrame):
            content = (frame.text, frame.append_to_context, frame.includes_inter_frame_spaces)
        after_ns = frame.pts - first_ns if frame.pts and first_ns else None
        shapes.append((type(frame), content, after_ns))
    return shapes


@VOICES
async def test_a_greeting_from_the_cache_is_the_one_that_was_synthesised(tts_type: TtsType) -> None:
    async with opened(tts_type) as office:
        first = await office.greeted()
        assert office.cache.count == 1
        second = await office.greeted()
        assert (office.cache.hits, office.cache.misses) == (1, 1)
        assert pcm(first) == pcm(second) != b""
        assert shape(first) == shape(second)
        assert isinstance(second[0], TTSStartedFrame)
        assert [type(frame) for frame in second[-2:]] == [LLMAssistantPushAggregationFrame, TTSStoppedFrame]
        (context_id,) = {frame.context_id for frame in second if hasattr(frame, "context_id")}
        assert context_id not in {None, *(getattr(frame, "context_id", None) for frame in first)}


@VENDORS
async def test_a_greeting_from_the_cache_asks_the_vendor_for_nothing(tts_type: TtsType) -> None:
    async with opened(tts_type) as office:
        await office.greeted()
        assert office.vendor is not None
        asked = len(office.vendor.requests_to("speech")), texts(office.vendor)
        await office.greeted()
        assert (len(office.vendor.requests_to("speech")), texts(office.vendor)) == asked


def texts(vendor: StandIn) -> list[str]:
    """The texts that a vendor's sockets were given."""
    found = [message.get("text") for request in vendor.requests for message in request.messages if message]
    return [text for text in found if text and text.strip()]


@pytest.mark.parametrize("tts_type", [TtsType.ELEVENLABS, TtsType.DEEPGRAM])
async def test_a_greeting_from_the_cache_does_not_wait_for_the_voices_connection(tts_type: TtsType) -> None:
    async with opened(tts_type, VendorLimits(connect_s=BOUND_S)) as office:
        await office.greeted()
        assert office.vendor is not None
        office.vendor.faults = Faults(delay_s=10 * BOUND_S)
        async with office.line() as line:
            assert pcm(await line.greet())
            assert not line.pipe.up.of(ErrorFrame)


@VOICES
async def test_an_interrupted_synthesis_is_not_kept(tts_type: TtsType) -> None:
    async with opened(tts_type) as office:
        if office.vendor is not None:
            office.vendor.faults = Faults(chunk_delay_s=0.2)
        async with office.line() as line:
            # Long enough that no voice is through with it after its first audio.
            for frame in line.player.frames(" ".join([GREETING] * 12)):
                await line.pipe.send(frame)
            await line.pipe.down.wait(TTSAudioRawFrame, timeout_s=BOUND_S)
            await line.pipe.send(InterruptionFrame())
            await line.pipe.down.wait(InterruptionFrame, timeout_s=BOUND_S)
            if office.vendor is not None:
                office.vendor.faults = Faults()
            await line.pipe.send(TTSSpeakFrame(OTHER))
            await line.pipe.down.until(
                lambda: any(isinstance(frame, TTSStoppedFrame) for frame in line.pipe.down.frames[-1:]), BOUND_S
            )
        assert office.cache.count == 0


@VENDORS
@pytest.mark.parametrize("faults", [Faults(drop_after=4), Faults(stall_after=4)], ids=["drop", "stall"])
async def test_a_synthesis_that_broke_off_is_not_kept(tts_type: TtsType, faults: Faults) -> None:
    async with opened(tts_type, IMPATIENT) as office:
        async with office.line() as line:
            assert office.vendor is not None
            office.vendor.faults = faults
            said = await line.greet()
            assert pcm(said)
            assert line.pipe.up.of(ErrorFrame)
        assert office.cache.count == 0


async def test_what_is_said_in_between_spoils_the_recording() -> None:
    async with opened(TtsType.ESPEAK) as office:
        async with office.line() as line:
            record, speak, keep = line.player.frames(GREETING)
            for frame in (record, speak, TTSSpeakFrame(OTHER), keep, LLMRunFrame()):
                await line.pipe.send(frame)
            await line.pipe.down.wait(LLMRunFrame, timeout_s=BOUND_S)
        assert office.cache.count == 0


async def test_what_is_said_after_an_interruption_is_not_taken_for_the_greeting() -> None:
    async with opened(TtsType.ESPEAK) as office:
        async with office.line() as line:
            record, _, keep = line.player.frames(GREETING)
            await line.pipe.send(record, LLMRunFrame())
            await line.pipe.down.wait(LLMRunFrame, timeout_s=BOUND_S)
            await line.pipe.send(InterruptionFrame())
            await line.pipe.down.wait(InterruptionFrame, timeout_s=BOUND_S)
            await line.pipe.send(TTSSpeakFrame(OTHER), keep, LLMRunFrame())
            await line.pipe.down.wait(LLMRunFrame, 2, BOUND_S)
            assert pcm(line.said())
        assert office.cache.count == 0


async def test_without_an_identity_nothing_is_kept() -> None:
    async with opened(TtsType.ESPEAK) as office:
        async with office.line(kept=False) as line:
            assert pcm(await line.greet())
        assert (office.cache.count, office.cache.misses) == (0, 0)


async def test_an_interruption_ends_a_replay() -> None:
    async with opened(TtsType.ESPEAK) as office, office.line() as line:
        pieces = 5_000
        piece = TTSAudioRawFrame(bytes(160), 8000, 1, context_id="old")
        office.cache.put(GreetingKey(office.identity, GREETING), Recording.of([piece] * pieces, 0))
        (replay,) = line.player.frames(GREETING)
        assert isinstance(replay, ReplayGreetingFrame)
        await line.pipe.send(replay)
        await line.pipe.down.wait(TTSAudioRawFrame, timeout_s=BOUND_S)
        await line.pipe.send(InterruptionFrame())
        await line.pipe.down.wait(InterruptionFrame, timeout_s=BOUND_S)
        await line.pipe.send(TTSSpeakFrame(OTHER))
        await line.pipe.down.wait(TTSStoppedFrame, timeout_s=BOUND_S)
        replayed = [frame for frame in line.pipe.down.of(TTSAudioRawFrame) if len(frame.audio) == 160]
        assert 0 < len(replayed) < pieces


async def test_what_the_player_is_told_reaches_nobody_else() -> None:
    async with opened(TtsType.ESPEAK) as office:
        for _ in range(2):
            async with office.line() as line:
                await line.greet()
                assert not [f for f in line.pipe.down.frames if type(f).__module__.endswith("greeting_player")]


async def heard_of_the_greeting(cache: GreetingCache, interrupted_after_s: float | None) -> tuple[list[str], bytes]:
    """The words that the conversation keeps of a call's greeting, and what the phone played of it."""
    phone = Phone(8000)
    ledger = TurnLedger(now, lambda record: None)
    watchdog = StallWatch(StallLimits(60, 60, 60), lambda seat: None)
    voice = EmbeddedVoice()
    player = GreetingPlayer(voice, cache, "embedded")
    output = MediaOutput(phone, ledger, watch=watchdog)
    phone.on_mark = output.mark_reached
    async with piped(Pipeline([voice, player, output]), 8000) as pipe:
        ledger.media_started()
        ledger.begin(TurnTrigger.GREETING)
        for frame in player.frames(GREETING):
            await pipe.send(frame)
        await phone.until(lambda: bool(phone.sent))
        if interrupted_after_s is None:
            await pipe.down.wait(TTSStoppedFrame)
        else:
            await asyncio.sleep(interrupted_after_s)
            await pipe.send(InterruptionFrame())
            await pipe.down.wait(InterruptionFrame)
            await phone.until(lambda: bool(phone.cleared))
        words = [frame.text for frame in pipe.down.of(TTSTextFrame)]
    phone.hang_up()
    ledger.close()
    watchdog.stop()
    return words, b"".join(piece for _, piece in phone.heard)


@pytest.mark.virtual_time
async def test_the_caller_hears_the_same_and_the_conversation_keeps_the_same_of_it() -> None:
    cache = GreetingCache()
    first, second = [await heard_of_the_greeting(cache, None) for _ in range(2)]
    assert cache.hits == 1
    assert first == second
    assert first[0] == GREETING.split()


@pytest.mark.virtual_time
async def test_of_an_interrupted_greeting_only_the_heard_words_are_kept() -> None:
    cache = GreetingCache()
    await heard_of_the_greeting(cache, None)
    live_words, _ = await heard_of_the_greeting(GreetingCache(), 1.5)
    words, played = await heard_of_the_greeting(cache, 1.5)
    assert cache.hits == 1
    assert words == live_words == GREETING.split()[: len(words)]
    assert 0 < len(words) < len(GREETING.split())
    assert 1.3 < len(played) / 16_000 < 1.7


async def test_the_last_words_are_said_past_a_voice_that_hangs() -> None:
    async with opened(TtsType.DEEPGRAM) as office:
        first = await office.greeted(OTHER)
        assert office.vendor is not None
        async with office.line() as line:
            office.vendor.faults = Faults(stall_after=0)
            await line.pipe.send(TTSSpeakFrame(GREETING))
            await office.vendor.until(lambda: any(GREETING[:12] in text for text in texts(office.vendor)))
            assert not await line.player.say_last("Never recorded.", LLMRunFrame())
            assert not line.player.closed
            assert await line.player.say_last(OTHER, LLMRunFrame())
            assert line.player.closed
            # Whatever else comes is not heard any more, and nothing cuts the last words off.
            await line.pipe.send(InterruptionFrame(), TTSSpeakFrame(GREETING))
            await line.pipe.down.wait(LLMRunFrame, timeout_s=BOUND_S)
            assert not await line.player.say_last(OTHER, LLMRunFrame())
        assert pcm(line.said()) == pcm(first)
        assert len(line.pipe.down.of(InterruptionFrame)) == 1


async def test_the_last_words_are_said_in_the_voice_that_speaks() -> None:
    async with opened(TtsType.DEEPGRAM) as office:
        await office.greeted(OTHER)
        async with office.line() as line:
            line.player.speaks_as("another voice")
            assert not await line.player.say_last(OTHER, LLMRunFrame())
            assert not line.player.closed
