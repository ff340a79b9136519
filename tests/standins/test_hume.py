"""The Hume stand-in under Hume's own SDK."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from hume import AsyncHumeClient
from hume.core.api_error import ApiError
from hume.tts import FormatMp3, FormatPcm, PostedUtterance, PostedUtteranceVoiceWithId, PostedUtteranceVoiceWithName
from hume.tts.errors import UnprocessableEntityError
from hume.tts.types import SnippetAudioChunk, TimestampMessage

from tests.standins.audio import signature
from tests.standins.base import DEFAULT_KEY
from tests.standins.hume import RATE_HZ, VOICE_ID, HumeStandIn

VOICE = PostedUtteranceVoiceWithId(id=VOICE_ID)
TEXT = "Good morning, all."


@asynccontextmanager
async def client(vendor: HumeStandIn, key: str = DEFAULT_KEY) -> AsyncIterator[AsyncHumeClient]:
    async with httpx.AsyncClient() as http:
        yield AsyncHumeClient(base_url=vendor.base_url, api_key=key, httpx_client=http)


def asked(text: str = TEXT, voice: Any = VOICE, **more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "utterances": [PostedUtterance(text=text, voice=voice)],
        "format": FormatPcm(),
        "instant_mode": True,
        "version": "2",
        "include_timestamp_types": ["word"],
    }
    return given | more


async def test_sdk_streams_audio_and_words() -> None:
    async with HumeStandIn() as vendor, client(vendor) as hume:
        messages = [message async for message in hume.tts.synthesize_json_streaming(**asked())]
        chunks = [message for message in messages if isinstance(message, SnippetAudioChunk)]
        assert b"".join(base64.b64decode(chunk.audio) for chunk in chunks) == signature(TEXT, RATE_HZ)
        assert [chunk.is_last_chunk for chunk in chunks][-1]
        words = [message.timestamp for message in messages if isinstance(message, TimestampMessage)]
        assert [word.text for word in words] == ["Good", "morning", "all"]
        assert [word.time.begin for word in words] == [0, 333, 933]


@pytest.mark.parametrize(
    "more",
    [
        {"text": ""},
        {"text": "x" * 5001},
        {"voice": None},
        {"format": FormatMp3()},
        {"version": "3"},
        {"version": "1"},
        {"voice": PostedUtteranceVoiceWithId(id=VOICE_ID, provider="NOBODY")},
    ],
    ids=str,
)
async def test_refuses_what_the_vendor_refuses(more: dict[str, Any]) -> None:
    async with HumeStandIn() as vendor, client(vendor) as hume:
        with pytest.raises(UnprocessableEntityError):
            _ = [message async for message in hume.tts.synthesize_json_streaming(**asked(**more))]


@pytest.mark.parametrize(
    ("voice", "found"),
    [
        (PostedUtteranceVoiceWithName(name="Ava Song", provider="HUME_AI"), True),
        (PostedUtteranceVoiceWithName(name="Ava Song"), False),
        (PostedUtteranceVoiceWithName(name="Our clinic"), True),
        (PostedUtteranceVoiceWithId(id="nobody"), False),
    ],
)
async def test_a_name_is_looked_up_in_a_library(voice: Any, found: bool) -> None:
    async with HumeStandIn() as vendor, client(vendor) as hume:
        stream = hume.tts.synthesize_json_streaming(**asked(voice=voice))
        if found:
            assert [message async for message in stream]
        else:
            with pytest.raises(ApiError) as refused:
                _ = [message async for message in stream]
            assert refused.value.status_code == 404


async def test_sdk_lists_voices_page_by_page() -> None:
    async with HumeStandIn(voices={f"{n}": f"Voice {n}" for n in range(3)}) as vendor, client(vendor) as hume:
        page = await hume.tts.voices.list(provider="HUME_AI", page_size=2)
        assert [voice.name for voice in page.items or []] == ["Voice 0", "Voice 1"]
        own = await hume.tts.voices.list(provider="CUSTOM_VOICE")
        assert [voice.provider for voice in own.items or []] == ["CUSTOM_VOICE"]


async def test_a_wrong_key_is_refused() -> None:
    async with HumeStandIn() as vendor, client(vendor, "wrong") as hume:
        with pytest.raises(ApiError) as refused:
            await hume.tts.voices.list(provider="HUME_AI")
        assert refused.value.status_code == 401
        with pytest.raises(ApiError) as refused:
            _ = [message async for message in hume.tts.synthesize_json_streaming(**asked())]
        assert refused.value.body["fault"]["faultstring"] == "Invalid ApiKey"


async def test_there_is_nothing_else() -> None:
    async with HumeStandIn() as vendor, httpx.AsyncClient() as http:
        assert (await http.get(f"{vendor.base_url}/v0/tts")).status_code == 404
