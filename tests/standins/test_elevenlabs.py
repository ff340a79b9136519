"""The ElevenLabs stand-in under plain WebSockets, ElevenLabs' own SDK, Pipecat's service, and every fault."""

import asyncio
import base64
import json

import httpx
import pytest
import websockets
from elevenlabs.client import AsyncElevenLabs
from elevenlabs.core.api_error import ApiError
from pipecat.frames.frames import (
    ErrorFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.services.elevenlabs.tts import ElevenLabsTTSService

from tests.standins.audio import signature
from tests.standins.base import DEFAULT_KEY
from tests.standins.elevenlabs import ElevenLabsStandIn
from tests.standins.faults import Faults
from tests.standins.pipeline import piped

RATE_HZ = 8000
VOICE = "EXAVITQu4vr4xnSDxMaL"


def dial(stand_in, key=DEFAULT_KEY, voice=VOICE, **query):
    query = {"model_id": "eleven_flash_v2_5", "output_format": "pcm_8000", "auto_mode": "true"} | query
    url = f"{stand_in.base_url}/v1/text-to-speech/{voice}/multi-stream-input?"
    return websockets.connect(
        url + "&".join(f"{k}={v}" for k, v in query.items()), additional_headers={"xi-api-key": key}
    )


async def say(ws, context_id, *texts, **more):
    await ws.send(json.dumps({"text": " ", "context_id": context_id} | more))
    for text in texts:
        await ws.send(json.dumps({"text": text, "context_id": context_id}))


async def hear(ws, context_id):
    """Collect one context up to its end: audio, and the alignment on one clock."""
    audio, chars, clock_ms = b"", [], 0
    while True:
        message = json.loads(await asyncio.wait_for(ws.recv(), 5))
        if message["contextId"] != context_id:
            continue
        if message.get("isFinal"):
            return audio, chars
        piece = base64.b64decode(message["audio"])
        aligned = message["alignment"]
        for char, start_ms, length_ms in zip(
            *(aligned[k] for k in ("chars", "charStartTimesMs", "charDurationsMs")), strict=True
        ):
            chars.append((char, clock_ms + start_ms))
            end_ms = start_ms + length_ms
        assert end_ms == pytest.approx(len(piece) / 2 / RATE_HZ * 1000, abs=1)
        audio += piece
        clock_ms += end_ms


async def closed(ws):
    """The code and reason of a socket that the stand-in closes."""
    await ws.wait_closed()
    return ws.close_code, ws.close_reason


async def test_audio_and_alignment_of_two_texts_in_one_context():
    async with ElevenLabsStandIn() as s:
        async with dial(s) as ws:
            await say(ws, "a", "Hello there.", "How are you?")
            await ws.send('{"context_id": "a", "close_context": true}')
            audio, chars = await hear(ws, "a")
            assert audio == signature("Hello there.", RATE_HZ) + signature("How are you?", RATE_HZ)
            assert "".join(char for char, _ in chars) == "Hello there. How are you? "
            assert [at for char, at in chars if char == "H"] == [0, pytest.approx(12 * 1000 / 15, abs=3)]
            await ws.send('{"close_socket": true}')
            assert await closed(ws) == (1000, "")
        await s.all_closed()
        assert s.requests[0].headers["xi-api-key"] == DEFAULT_KEY
        assert s.requests[0].messages[-1] == {"close_socket": True}


async def test_contexts_are_spoken_independently_and_ids_can_be_used_again():
    async with ElevenLabsStandIn(tts_first_byte_s=30) as s, dial(s) as ws:
        await say(ws, "slow", "Never heard in this test.")
        s.tts_first_byte_s = 0
        for text in ("One.", "Two."):
            await say(ws, "a", text)
            await ws.send('{"context_id": "a", "close_context": true}')
            assert (await hear(ws, "a"))[0] == signature(text, RATE_HZ)


async def test_without_auto_mode_text_waits_for_a_flush():
    async with ElevenLabsStandIn() as s, dial(s, auto_mode="false") as ws:
        await say(ws, "a", "Hello ", "there.")
        await ws.send('{"text": "", "context_id": "a"}')
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ws.recv(), 0.1)
        await ws.send('{"context_id": "a", "flush": true}')
        await ws.send('{"context_id": "a", "close_context": true}')
        assert (await hear(ws, "a"))[0] == signature("Hello there.", RATE_HZ)


async def test_closing_the_socket_delivers_what_is_pending():
    async with ElevenLabsStandIn() as s, dial(s, auto_mode="false") as ws:
        await say(ws, "a", "Goodbye.")
        await ws.send('{"close_socket": true}')
        assert (await hear(ws, "a"))[0] == signature("Goodbye.", RATE_HZ)
        assert await closed(ws) == (1000, "")


async def test_broken_rules_close_the_socket():
    async with ElevenLabsStandIn() as s:
        async with dial(s) as ws:
            await say(ws, "a", voice_settings={"speed": 1.0})
            await say(ws, "a", voice_settings={"speed": 1.1})
            code, reason = await closed(ws)
            assert code == 1008
            assert reason.startswith("voice_settings")
        async with dial(s) as ws:
            for number in range(6):
                await say(ws, str(number))
            assert (await closed(ws))[0] == 1008
        async with dial(s) as ws:
            await ws.send("{nonsense")
            assert json.loads(await ws.recv())["code"] == 1008
        async with dial(s, inactivity_timeout="0.05") as ws:
            assert "timeout" in (await closed(ws))[1]


async def test_a_wrong_key_is_reported_in_band_or_at_the_handshake():
    async with ElevenLabsStandIn() as s:
        async with dial(s, key="wrong") as ws:
            assert json.loads(await ws.recv())["error"] == "invalid_api_key"
            assert await closed(ws) == (1008, "Invalid API key")
        s.auth_at_handshake = True
        with pytest.raises(websockets.InvalidStatus) as refused:
            await dial(s, key="wrong")
        assert refused.value.response.status_code == 401
        assert json.loads(refused.value.response.body)["detail"]["status"] == "invalid_api_key"
        s.any_voice = False
        async with dial(s, voice="nobody") as ws:
            assert (await closed(ws))[0] == 1008
        with pytest.raises(websockets.InvalidStatus):
            await dial(s, output_format="mp3_44100_128")


async def test_sdk_checks_keys_lists_voices_and_streams_speech():
    async with ElevenLabsStandIn() as s, httpx.AsyncClient() as http:
        api = AsyncElevenLabs(api_key=DEFAULT_KEY, base_url=s.http_url, httpx_client=http)
        assert VOICE in [voice.voice_id for voice in (await api.voices.get_all()).voices]
        assert VOICE in [voice.voice_id for voice in (await api.voices.search()).voices]
        assert (await api.user.get()).subscription.status == "active"
        assert (await api.user.subscription.get()).tier == "creator"
        assert "eleven_flash_v2_5" in [model.model_id for model in await api.models.list()]
        stream = api.text_to_speech.stream(VOICE, text="Hello there.", output_format="pcm_8000")
        assert b"".join([chunk async for chunk in stream]) == signature("Hello there.", RATE_HZ)
        with pytest.raises(ApiError) as refused:
            await AsyncElevenLabs(api_key="wrong", base_url=s.http_url, httpx_client=http).user.get()
        assert refused.value.status_code == 401
        assert refused.value.body["detail"]["status"] == "invalid_api_key"


def service_of(stand_in, key=DEFAULT_KEY):
    settings = ElevenLabsTTSService.Settings(voice=VOICE, stability=0.5)
    return ElevenLabsTTSService(api_key=key, url=stand_in.base_url, sample_rate=RATE_HZ, settings=settings)


async def test_pipecat_speaks_with_word_times_turn_after_turn():
    async with ElevenLabsStandIn() as s:
        async with piped(service_of(s), RATE_HZ) as pipe:
            for turn, text in enumerate(["Hello there. How are you?", "Fine."], start=1):
                await pipe.send(LLMFullResponseStartFrame(), LLMTextFrame(text), LLMFullResponseEndFrame())
                await pipe.down.wait(TTSStoppedFrame, turn)
            heard = b"".join(f.audio for f in pipe.down.of(TTSAudioRawFrame))
            spoken = b"".join(signature(t, RATE_HZ) for t in ("Hello there.", "How are you?", "Fine."))
            assert heard.rstrip(b"\0") == spoken.rstrip(b"\0")
            await pipe.down.wait(TTSTextFrame, 6)
            assert [f.text for f in pipe.down.of(TTSTextFrame)] == ["Hello", "there.", "How", "are", "you?", "Fine."]
            times = [f.pts for f in pipe.down.of(TTSTextFrame)][:5]
            assert (times[3] - times[0]) / 1e9 == pytest.approx(16 / 15, abs=0.01)
            assert not pipe.up.of(ErrorFrame)
        await s.all_closed()
        assert s.requests[0].query["output_format"] == "pcm_8000"
        assert s.requests[0].messages[-1] == {"close_socket": True}


async def test_pipecat_closes_the_context_when_interrupted():
    async with ElevenLabsStandIn(tts_first_byte_s=30) as s, piped(service_of(s), RATE_HZ) as pipe:
        await pipe.send(LLMFullResponseStartFrame(), LLMTextFrame("Never heard. And nor is this"))
        (log,) = s.requests
        await s.until(lambda: any(m.get("text") == "Never heard." for m in log.messages))
        closed_context = {"context_id": log.messages[-1]["context_id"], "close_context": True}
        assert closed_context not in log.messages
        await pipe.send(InterruptionFrame())
        await s.until(lambda: closed_context in log.messages)
        s.tts_first_byte_s = 0
        await pipe.send(TTSSpeakFrame("Heard."))
        await pipe.down.wait(TTSStoppedFrame)
        heard = b"".join(f.audio for f in pipe.down.of(TTSAudioRawFrame))
        assert heard.rstrip(b"\0") == signature("Heard.", RATE_HZ).rstrip(b"\0")
        s.drop_connections()


async def test_faults():
    async with ElevenLabsStandIn(faults=Faults(garbage_after=0)) as s:
        async with dial(s) as ws:
            await say(ws, "a", "Hello there, how are you?")
            with pytest.raises(ValueError, match="Expecting"):
                json.loads(await ws.recv())
            assert json.loads(await ws.recv())["contextId"] == "a"
        s.faults = Faults(stall_after=2)
        async with dial(s) as ws:
            await say(ws, "a", "Hello there, how are you?")
            await ws.recv()
            await ws.recv()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ws.recv(), 0.1)
        s.faults = Faults(drop_after=1)
        async with dial(s) as ws:
            await say(ws, "a", "Hello there, how are you?")
            await ws.recv()
            with pytest.raises(websockets.ConnectionClosedError):
                await ws.recv()
        s.faults = Faults(status=500)
        with pytest.raises(websockets.InvalidStatus):
            await dial(s)
        await s.all_closed()
