import asyncio
import json

import cartesia
import pytest
import websockets
from pipecat.frames.frames import (
    ErrorFrame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.services.cartesia.stt import CartesiaSTTService
from pipecat.services.cartesia.tts import CartesiaTTSService

from tests.standins.audio import signature
from tests.standins.base import DEFAULT_KEY
from tests.standins.cartesia import CartesiaStandIn
from tests.standins.faults import Faults
from tests.standins.pipeline import piped

RATE_HZ = 8000
VOICE = "71a7ad14-091c-4e8e-a314-022ece01c121"
SPEECH = signature("a sentence of about two seconds", RATE_HZ)
HEADERS = {"X-API-Key": DEFAULT_KEY, "Cartesia-Version": "2026-03-01"}
LISTEN = "model=ink-2&encoding=pcm_s16le&sample_rate=8000"


def dial(stand_in, path, headers=None):
    return websockets.connect(f"{stand_in.ws_url}{path}", additional_headers=headers or HEADERS)


def request(text, context_id="a", **fields):
    return json.dumps(
        {
            "model_id": "sonic-3.6",
            "transcript": text,
            "voice": {"mode": "id", "id": VOICE},
            "context_id": context_id,
            "output_format": {"container": "raw", "encoding": "pcm_s16le", "sample_rate": RATE_HZ},
            "add_timestamps": True,
            "continue": True,
        }
        | fields
    )


async def events(ws, until_type):
    """Events up to one of a type, that one included."""
    heard = []
    while not heard or heard[-1]["type"] != until_type:
        heard.append(json.loads(await ws.recv()))
    return heard


def client(stand_in, key=DEFAULT_KEY):
    return cartesia.AsyncCartesia(
        api_key=key, base_url=stand_in.http_url, websocket_base_url=stand_in.ws_url, max_retries=0
    )


async def test_sdk_lists_voices_page_by_page():
    voices = {str(number): f"Voice {number}" for number in range(5)}
    async with CartesiaStandIn(voices=voices) as s, client(s) as api:
        found = [voice async for voice in api.voices.list(limit=2)]
        assert [(voice.id, voice.name) for voice in found] == list(voices.items())
        assert found[0].locales[0].locale == "en-GB"
        async with client(s, "wrong") as stranger:
            with pytest.raises(cartesia.AuthenticationError) as refused:
                await stranger.voices.list()
        assert refused.value.body["error_code"] == "unauthorized"


async def test_sdk_transcribes_when_told_to():
    async with CartesiaStandIn(transcripts=["I would like it", "so much"]) as s, client(s) as api:
        parameters = {"model": "ink-2", "encoding": "pcm_s16le", "sample_rate": RATE_HZ}
        async with api.stt.manual_finalize.websocket(**parameters) as connection:
            texts = []
            for command in ("finalize", "close"):
                await connection.send_raw(SPEECH)
                await connection.send(command)
                text = ""
                async for event in connection:
                    if event.type == "transcript" and event.is_final:
                        text += event.text
                    elif event.type in ("flush_done", "done"):
                        texts.append(text)
                        break
            assert texts == ["I would like it", "so much"]
        assert s.requests[0].messages == ["finalize", "close"]
        assert bytes(s.requests[0].audio) == SPEECH * 2


async def test_silence_is_transcribed_as_nothing():
    async with CartesiaStandIn() as s, dial(s, f"/stt/websocket?{LISTEN}") as ws:
        await ws.send(bytes(RATE_HZ * 10))
        await ws.send("finalize")
        assert [event["type"] for event in await events(ws, "flush_done")] == ["flush_done"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("model=ink-9&encoding=pcm_s16le&sample_rate=8000", "model_not_found"),
        ("encoding=pcm_s16le&sample_rate=8000", "model_not_found"),
        (f"{LISTEN}&language=de", "language_not_supported"),
        ("model=ink-whisper&encoding=pcm_s16le&sample_rate=8000&language=de-DE", "language_not_supported"),
        ("model=ink-2&encoding=opus&sample_rate=8000", "invalid_encoding"),
        ("model=ink-2&encoding=pcm_s16le", "invalid_sample_rate"),
    ],
)
async def test_a_bad_query_is_answered_with_an_error_event(query, code):
    async with CartesiaStandIn() as s, dial(s, f"/stt/websocket?{query}") as ws:
        error = json.loads(await ws.recv())
        assert (error["type"], error["status_code"], error["error_code"]) == ("error", 400, code)
        await ws.wait_closed()


async def test_key_and_version_are_checked_at_the_handshake():
    async with CartesiaStandIn() as s:
        for headers, status in [({"X-API-Key": "wrong"} | {"Cartesia-Version": "2026-03-01"}, 401), ({}, 401)]:
            with pytest.raises(websockets.InvalidStatus) as refused:
                await dial(s, f"/stt/websocket?{LISTEN}", headers or {"Cartesia-Version": "2026-03-01"})
            assert refused.value.response.status_code == status
        with pytest.raises(websockets.InvalidStatus) as refused:
            await dial(s, "/tts/websocket", {"X-API-Key": DEFAULT_KEY})
        assert json.loads(refused.value.response.body)["error_code"] == "version_required"
        async with dial(s, "/tts/websocket?cartesia_version=2026-03-01", {"Authorization": f"Bearer {DEFAULT_KEY}"}):
            pass


async def test_a_context_speaks_its_texts_one_after_the_other():
    async with CartesiaStandIn() as s, dial(s, "/tts/websocket") as ws:
        await ws.send(request("Hello there. "))
        await ws.send(request("How are you?"))
        await ws.send(request("", **{"continue": False}))
        heard = await events(ws, "done")
        assert [event["type"] for event in heard].count("flush_done") == 2
        words = [w for event in heard if event["type"] == "timestamps" for w in event["word_timestamps"]["words"]]
        starts = [t for event in heard if event["type"] == "timestamps" for t in event["word_timestamps"]["start"]]
        assert words == ["Hello", "there.", "How", "are", "you?"]
        assert starts == pytest.approx([0, 6 / 15, 12 / 15, 16 / 15, 20 / 15], abs=0.002)
        assert {event["context_id"] for event in heard} == {"a"}


async def test_a_cancelled_context_falls_silent():
    async with CartesiaStandIn(tts_first_byte_s=30) as s, dial(s, "/tts/websocket") as ws:
        await ws.send(request("Never heard."))
        await ws.send('{"context_id": "a", "cancel": true}')
        s.tts_first_byte_s = 0
        await ws.send(request("Heard.", "b", **{"continue": False}))
        assert {event["context_id"] for event in await events(ws, "done")} == {"b"}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"model_id": "gpt"}, "model_not_found"),
        ({"voice": {"mode": "id"}}, "invalid_voice"),
        ({"voice": {"mode": "id", "id": "nobody"}}, "voice_not_found"),
        ({"output_format": {"container": "mp3"}}, "invalid_output_format"),
        (
            {"output_format": {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 11025}},
            "invalid_sample_rate",
        ),
        ({"language": "tlh"}, "language_not_supported"),
        ({"transcript": None}, "invalid_transcript"),
        ({"context_id": "a b"}, "invalid_context_id"),
        ({"max_buffer_delay_ms": 9000}, "invalid_buffer_delay"),
    ],
)
async def test_a_bad_request_is_answered_with_an_error_event(fields, code):
    async with CartesiaStandIn(any_voice=False) as s, dial(s, "/tts/websocket") as ws:
        await ws.send(request("Hello.", **fields))
        error = json.loads(await ws.recv())
        assert (error["type"], error["done"], error["error_code"]) == ("error", True, code)
        await ws.send(request("Hello.", "fine", **{"continue": False}))
        assert (await events(ws, "done"))[-1]["context_id"] == "fine"


async def test_a_context_keeps_its_voice():
    async with CartesiaStandIn() as s, dial(s, "/tts/websocket") as ws:
        await ws.send(request("Hello."))
        await events(ws, "flush_done")
        await ws.send(request("Hello.", voice={"mode": "id", "id": "another"}))
        assert json.loads(await ws.recv())["error_code"] == "context_changed"
        await ws.send("{nonsense")
        assert json.loads(await ws.recv())["error_code"] == "invalid_json"


def voice_of(stand_in):
    settings = CartesiaTTSService.Settings(voice=VOICE)
    return CartesiaTTSService(
        api_key=DEFAULT_KEY, url=f"{stand_in.ws_url}/tts/websocket", sample_rate=RATE_HZ, settings=settings
    )


async def test_pipecat_speaks_with_word_times():
    async with CartesiaStandIn() as s, piped(voice_of(s), RATE_HZ) as pipe:
        for turn, text in enumerate(["Hello there. How are you?", "Fine."], start=1):
            await pipe.send(LLMFullResponseStartFrame(), LLMTextFrame(text), LLMFullResponseEndFrame())
            await pipe.down.wait(TTSStoppedFrame, turn)
        heard = b"".join(frame.audio for frame in pipe.down.of(TTSAudioRawFrame))
        assert heard == b"".join(signature(t, RATE_HZ) for t in ("Hello there.", "How are you?", "Fine."))
        await pipe.down.wait(TTSTextFrame, 6)
        assert [f.text for f in pipe.down.of(TTSTextFrame)] == ["Hello", "there.", "How", "are", "you?", "Fine."]
        assert not pipe.up.of(ErrorFrame)


async def test_pipecat_cancels_the_context_when_interrupted():
    async with CartesiaStandIn(tts_first_byte_s=30) as s, piped(voice_of(s), RATE_HZ) as pipe:
        await pipe.send(LLMFullResponseStartFrame(), LLMTextFrame("Never heard. And nor is this"))
        await s.until(lambda: bool(s.requests and s.requests[0].messages))
        await pipe.send(InterruptionFrame())
        await s.until(lambda: s.requests[0].messages[-1].get("cancel") is True)


async def test_pipecat_transcribes():
    async with CartesiaStandIn(transcripts=["I would like it"]) as s:
        stt = CartesiaSTTService(
            api_key=DEFAULT_KEY, base_url=s.ws_url, settings=CartesiaSTTService.Settings(model="ink-2")
        )
        async with piped(stt, RATE_HZ) as pipe:
            await pipe.send(VADUserStartedSpeakingFrame())
            await pipe.send(InputAudioRawFrame(SPEECH, RATE_HZ, 1))
            await pipe.send(VADUserStoppedSpeakingFrame())
            await pipe.down.wait(TranscriptionFrame)
            assert pipe.down.of(InterimTranscriptionFrame)
            assert not pipe.up.of(ErrorFrame)


async def test_faults():
    async with CartesiaStandIn(faults=Faults(garbage_after=0)) as s:
        async with dial(s, f"/stt/websocket?{LISTEN}") as ws:
            await ws.send(SPEECH)
            with pytest.raises(ValueError, match="Expecting"):
                json.loads(await ws.recv())
            assert json.loads(await ws.recv())["type"] == "transcript"
        s.faults = Faults(stall_after=1)
        async with dial(s, f"/stt/websocket?{LISTEN}") as ws:
            await ws.send(SPEECH)
            await ws.recv()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ws.recv(), 0.1)
        s.faults = Faults(drop_after=1)
        async with dial(s, "/tts/websocket") as ws:
            await ws.send(request("Hello there, how are you?"))
            await ws.recv()
            with pytest.raises(websockets.ConnectionClosedError):
                await ws.recv()
        s.faults = Faults(status=429)
        with pytest.raises(websockets.InvalidStatus) as refused:
            await dial(s, "/tts/websocket")
        assert json.loads(refused.value.response.body)["error_code"] == "concurrency_limited"
        await s.all_closed()
