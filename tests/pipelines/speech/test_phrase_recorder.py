"""Sentences that are recorded beside the calls, with a vendor's voice and with the embedded one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pipecat.processors.frame_processor import FrameProcessor

from adapters.tts.build import build_tts
from models.errors import InvalidField
from models.providers import TtsType
from pipelines.speech.greeting_cache import GreetingCache, GreetingKey
from pipelines.speech.phrase_recorder import PhraseRecorder, SpareVoice
from tests.adapters.vendors import KEY, clients_with, until
from tests.pipelines.calls import Voice
from tests.pipelines.modelled import ONCE
from tests.standins.deepgram import DeepgramStandIn
from tests.standins.faults import Faults

TEXTS = ("One moment, please.", "Sorry, a fault.")
EMBEDDED = SpareVoice("embedded", Voice, 8000)


@asynccontextmanager
async def recording(vendor: DeepgramStandIn) -> AsyncIterator[tuple[PhraseRecorder, SpareVoice]]:
    async with clients_with(ONCE) as clients:

        def make() -> FrameProcessor:
            return build_tts(
                TtsType.DEEPGRAM,
                key=KEY,
                voice="",
                language="en-US",
                sample_rate_hz=8000,
                resources=clients,
                environ={"AICALL_BASE_URL_DEEPGRAM": vendor.base_url},
            )

        recorder = PhraseRecorder(GreetingCache())
        try:
            yield recorder, SpareVoice("deepgram", make, 8000)
        finally:
            await recorder.aclose()
    await until(lambda: not vendor.open_connections)


async def test_what_is_missing_is_recorded_once() -> None:
    cache = GreetingCache()
    recorder = PhraseRecorder(cache)
    for _ in range(2):
        recorder.want(EMBEDDED, [*TEXTS, ""])
    await until(lambda: cache.count == len(TEXTS))
    lengths = []
    for text in TEXTS:
        kept = cache.get(GreetingKey("embedded", text))
        assert kept is not None
        assert kept.sample_rate_hz > 0
        lengths.append(len(kept.pcm))
    assert all(lengths)
    await recorder.aclose()


async def test_nothing_is_asked_of_a_voice_when_all_is_there() -> None:
    async with DeepgramStandIn() as vendor, recording(vendor) as (recorder, voice):
        recorder.want(voice, TEXTS)
        await until(lambda: recorder.cache.count == len(TEXTS))
        await until(lambda: not vendor.open_connections)
        asked = len(vendor.requests)
        recorder.want(voice, TEXTS)
        await recorder.aclose()
        assert len(vendor.requests) == asked


async def test_without_an_identity_nothing_is_recorded() -> None:
    made: list[FrameProcessor] = []

    def make() -> FrameProcessor:
        made.append(Voice())
        return made[-1]

    recorder = PhraseRecorder(GreetingCache())
    recorder.want(SpareVoice("", make, 8000), TEXTS)
    await recorder.aclose()
    assert not made


async def test_a_voice_that_fails_is_left_alone_for_a_while() -> None:
    async with DeepgramStandIn(faults=Faults(status=500)) as vendor, recording(vendor) as (recorder, voice):
        recorder.want(voice, TEXTS)
        await until(lambda: bool(vendor.requests))
        await until(lambda: not [task for task in asyncio.all_tasks() if task.get_name() == "phrases"])
        asked = len(vendor.requests)
        vendor.faults = Faults()
        recorder.want(voice, TEXTS)
        await recorder.aclose()
        assert len(vendor.requests) == asked
        assert not recorder.cache.count


async def test_a_voice_that_cannot_be_made_disturbs_nobody() -> None:
    def make() -> FrameProcessor:
        raise InvalidField("tts_type", "is not there")

    recorder = PhraseRecorder(GreetingCache())
    recorder.want(SpareVoice("gone", make, 8000), TEXTS)
    await until(lambda: not [task for task in asyncio.all_tasks() if task.get_name() == "phrases"])
    assert not recorder.cache.count


@pytest.mark.parametrize("faults", [Faults(stall_after=0), Faults(delay_s=60)], ids=["stall", "no connection"])
async def test_the_end_of_the_process_does_not_wait_for_a_voice(faults: Faults) -> None:
    async with DeepgramStandIn(faults=faults) as vendor, recording(vendor) as (recorder, voice):
        recorder.want(voice, TEXTS)
        await until(lambda: bool(vendor.requests))
        async with asyncio.timeout(5):
            await recorder.aclose()
