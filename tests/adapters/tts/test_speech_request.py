"""What the contract of voices over HTTP does not show with every vendor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pipecat.frames.frames import ErrorFrame, TTSAudioRawFrame, TTSSpeakFrame, TTSStoppedFrame
from pipecat.utils.errors import ErrorCategory

from adapters.clients import VendorLimits
from adapters.tts.speech_request import split_text
from tests.adapters.tts.contract import SENTENCE, audio
from tests.adapters.tts.test_azure import TestAzure as Azure
from tests.adapters.tts.test_openai import TestOpenAi as OpenAi
from tests.adapters.vendors import clients_with, first_error, impatient_clients, patient_clients, until
from tests.standins.audio import signature
from tests.standins.azure_speech import AzureSpeechStandIn
from tests.standins.faults import Faults
from tests.standins.openai import OpenAIStandIn
from tests.standins.pipeline import Pipe, piped

FRAME_BYTES = 1600
"""100 ms at 8 kHz."""


@asynccontextmanager
async def azure(faults: Faults | None = None) -> AsyncIterator[tuple[AzureSpeechStandIn, Pipe]]:
    """A telephone call with a voice of Azure's."""
    async with AzureSpeechStandIn(faults=faults) as vendor, patient_clients() as clients:
        tts = Azure().build(vendor, clients)
        async with piped(tts, 8000) as pipe:
            yield vendor, pipe


async def say(pipe: Pipe, text: str = SENTENCE) -> None:
    await pipe.send(TTSSpeakFrame(text))
    await pipe.down.wait(TTSStoppedFrame, len(pipe.down.of(TTSStoppedFrame)) + 1)


async def test_audio_comes_in_frames_of_a_tenth_of_a_second() -> None:
    async with azure() as (_, pipe):
        await say(pipe)
        sizes = [len(frame.audio) for frame in pipe.down.of(TTSAudioRawFrame)]
        assert set(sizes[:-1]) == {FRAME_BYTES}
        assert 0 < sizes[-1] <= FRAME_BYTES
        assert audio(pipe) == signature(SENTENCE, 8000)


async def test_half_a_sample_at_the_end_is_left_out() -> None:
    faults = Faults(answer=("audio/x-wav", b"\1\2\3\4\5"))
    async with azure(faults) as (_, pipe):
        await say(pipe)
        assert audio(pipe) == b"\1\2\3\4"


async def test_what_cannot_be_said_is_not_asked_for() -> None:
    async with azure() as (vendor, pipe):
        for text in ("...", "\U0001f44b", "\x00\ud800!"):
            await say(pipe, text)
        assert not vendor.requests_to("speech")
        assert audio(pipe) == bytes(3 * 320)


async def test_characters_that_no_document_may_hold_are_left_out() -> None:
    async with azure() as (vendor, pipe):
        await say(pipe, "a\x00b\x1bc\ud83dd\ufffee\tf\ng\U0001f44b")
        assert vendor.requests_to("speech")[0].body["text"] == "a b c d e\tf\ng\U0001f44b"


async def test_an_answer_without_audio_shows() -> None:
    async with azure(Faults(answer=("audio/x-wav", b""))) as (_, pipe):
        await say(pipe)
        (error,) = await pipe.up.wait(ErrorFrame)
        assert "no audio" in error.error


async def test_an_answer_that_leads_elsewhere_is_not_followed() -> None:
    async with azure(Faults(status=302)) as (_, pipe):
        await pipe.send(TTSSpeakFrame(SENTENCE))
        await first_error(pipe, ErrorCategory.SERVER)


async def test_a_short_pause_that_the_vendor_asks_for_is_kept() -> None:
    faults = Faults(status=429, retry_after_s=1, first=1)
    async with azure(faults) as (vendor, pipe):
        began_s = asyncio.get_running_loop().time()
        await say(pipe)
        assert asyncio.get_running_loop().time() - began_s >= 1
        assert len(vendor.requests_to("speech")) == 2
        assert not pipe.up.of(ErrorFrame)


async def test_a_text_that_is_too_long_is_asked_for_in_parts() -> None:
    text = " ".join(f"word{number}" for number in range(1000))
    async with azure() as (vendor, pipe):
        await say(pipe, text)
        parts = [request.body["text"] for request in vendor.requests_to("speech")]
        assert len(parts) == 2
        assert " ".join(parts) == text
        assert len(pipe.down.of(TTSStoppedFrame)) == 1


@pytest.mark.parametrize("faults", [Faults(delay_s=60), Faults(stall_after=0), Faults(stall_after=2)], ids=str)
async def test_a_voice_may_be_silent_for_less_time_than_others(faults: Faults) -> None:
    limits = VendorLimits(quiet_s=30, voice_quiet_s=0.3)
    async with AzureSpeechStandIn(faults=faults) as vendor, clients_with(limits) as clients:
        tts = Azure().build(vendor, clients)
        async with piped(tts, 8000) as pipe:
            await pipe.send(TTSSpeakFrame(SENTENCE))
            error = await first_error(pipe, ErrorCategory.CONNECTIVITY)
            assert isinstance(error.exception, TimeoutError)
            await until(lambda: not vendor.open_streams)


async def test_an_answer_that_is_not_read_does_not_hold_its_connection() -> None:
    page = b"<html>" + bytes(1_000_000)
    async with azure(Faults(answer=("text/html", page))) as (vendor, pipe):
        for count in (1, 2):
            await pipe.send(TTSSpeakFrame(SENTENCE))
            await pipe.up.until(
                lambda count=count: sum(e.category is ErrorCategory.SERVER for e in pipe.up.of(ErrorFrame)) == count
            )
        await until(lambda: vendor.open_connections == 0)


async def test_audio_is_not_compressed() -> None:
    async with azure() as (vendor, pipe):
        await say(pipe)
        assert vendor.requests_to("speech")[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("body", "category"),
    [
        (b'{"error": {"code": "insufficient_quota", "type": "insufficient_quota"}}', ErrorCategory.QUOTA),
        (b'{"error": {"code": "rate_limit_exceeded"}}', ErrorCategory.RATE_LIMIT),
        (b'{"error": "insufficient_quota"}', ErrorCategory.RATE_LIMIT),
        (b'["insufficient_quota"]', ErrorCategory.RATE_LIMIT),
        (b"insufficient_quota", ErrorCategory.RATE_LIMIT),
    ],
)
async def test_an_account_without_credit_is_told_from_a_busy_one(body: bytes, category: ErrorCategory) -> None:
    faults = Faults(status=429, answer=("application/json", body))
    async with OpenAIStandIn(faults=faults) as vendor, impatient_clients() as clients:
        tts = OpenAi().build(vendor, clients)
        async with piped(tts, 8000) as pipe:
            await pipe.send(TTSSpeakFrame(SENTENCE))
            await first_error(pipe, category)


@pytest.mark.parametrize(
    ("text", "longest", "parts"),
    [
        ("one two", 7, ["one two"]),
        ("one two", 6, ["one", "two"]),
        ("one two three", 7, ["one two", "three"]),
        ("one  two", 4, ["one ", "two"]),
        ("abcdefgh", 3, ["abc", "def", "gh"]),
        ("ab cdefgh", 3, ["ab", "cde", "fgh"]),
        ("", 3, []),
        ("a ", 1, ["a"]),
    ],
)
def test_parts_end_between_words(text: str, longest: int, parts: list[str]) -> None:
    assert list(split_text(text, longest)) == parts
    assert all(len(part) <= longest for part in parts)
