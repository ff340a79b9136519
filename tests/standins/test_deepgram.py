"""The Deepgram stand-in under plain WebSockets, Deepgram's own SDK, Pipecat's services, and every fault."""

import asyncio
import json

import httpx
import pytest
import websockets
from deepgram import AsyncDeepgramClient, DeepgramClientEnvironment
from deepgram.core import ApiError
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
    TTSSpeakFrame,
    TTSStoppedFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.services.deepgram.stt import DeepgramSTTService
from pipecat.services.deepgram.tts import DeepgramTTSService

from tests.standins.audio import decode, identify, signature
from tests.standins.base import DEFAULT_KEY
from tests.standins.deepgram import DeepgramStandIn
from tests.standins.faults import Faults
from tests.standins.pipeline import piped

RATE_HZ = 8000
LISTEN = f"/v1/listen?encoding=linear16&sample_rate={RATE_HZ}&interim_results=true"
SPEAK = f"/v1/speak?model=aura-2-thalia-en&encoding=linear16&sample_rate={RATE_HZ}"
SPEECH = signature("x" * 9, RATE_HZ)


def dial(stand_in, path, key=DEFAULT_KEY):
    return websockets.connect(stand_in.base_url + path, additional_headers={"Authorization": f"Token {key}"})


def sdk(stand_in, key=DEFAULT_KEY, http=None):
    urls = {"base": stand_in.http_url, "agent_rest": stand_in.http_url}
    environment = DeepgramClientEnvironment(production=stand_in.ws_url, agent=stand_in.ws_url, **urls)
    return AsyncDeepgramClient(api_key=key, environment=environment, httpx_client=http)


async def final_of(ws):
    while True:
        message = json.loads(await ws.recv())
        if message.get("is_final"):
            return message


async def audio_until(ws, kind):
    audio = b""
    while True:
        message = await asyncio.wait_for(ws.recv(), 5)
        if isinstance(message, bytes):
            audio += message
        elif json.loads(message)["type"] == kind:
            return audio


async def test_a_whole_transcription_session():
    async with DeepgramStandIn(transcripts=["Good morning."]) as s:
        async with dial(s, LISTEN) as ws:
            await ws.send('{"type": "KeepAlive"}')
            await ws.send(SPEECH)
            await ws.send('{"type": "Finalize"}')
            assert (await final_of(ws))["channel"]["alternatives"][0]["transcript"] == "Good morning."
            await ws.send(SPEECH)
            await ws.send('{"type": "CloseStream"}')
            assert (await final_of(ws))["channel"]["alternatives"][0]["transcript"] == "caller said turn 2"
            metadata = json.loads(await ws.recv())
            assert metadata["type"] == "Metadata"
            assert metadata["duration"] == pytest.approx(1.2)
            await ws.wait_closed()
            assert ws.close_code == 1000
        await s.all_closed()
        (log,) = s.requests
        assert [m["type"] for m in log.messages] == ["KeepAlive", "Finalize", "CloseStream"]
        assert bytes(log.audio) == SPEECH * 2
        assert not log.open


async def test_the_script_can_go_on_after_a_reconnection():
    async with DeepgramStandIn(transcripts=["first", "second"], one_script=True) as s:
        for expected in ("first", "second"):
            async with dial(s, LISTEN) as ws:
                await ws.send(SPEECH)
                await ws.send('{"type": "Finalize"}')
                assert (await final_of(ws))["channel"]["alternatives"][0]["transcript"] == expected


async def test_a_final_can_take_its_time():
    async with DeepgramStandIn(stt_final_delay_s=30) as s, dial(s, LISTEN) as ws:
        await ws.send(SPEECH)
        await ws.send('{"type": "Finalize"}')
        assert not json.loads(await ws.recv())["is_final"]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(final_of(ws), 0.2)


async def test_silence_on_the_socket_and_nonsense_close_it():
    async with DeepgramStandIn(idle_s=0.05) as s:
        async with dial(s, LISTEN) as ws:
            await ws.wait_closed()
            assert ws.close_code == 1011
            assert ws.close_reason.startswith("NET-0001")
        for path in (LISTEN, SPEAK):
            async with dial(s, path) as ws:
                await ws.send("{nonsense")
                await ws.wait_closed()
                assert ws.close_code == 1008


@pytest.mark.parametrize("path", [LISTEN, SPEAK])
async def test_a_wrong_key_is_refused_before_the_upgrade(path):
    async with DeepgramStandIn() as s:
        with pytest.raises(websockets.InvalidStatus) as refused:
            await dial(s, path, key="wrong")
        assert refused.value.response.status_code == 401
        assert json.loads(refused.value.response.body)["err_code"] == "INVALID_AUTH"
        assert refused.value.response.headers["dg-error"] == "Invalid credentials."


async def test_sdk_lists_projects_and_transcribes():
    async with DeepgramStandIn(transcripts=["Hello."]) as s, httpx.AsyncClient() as http:
        assert (await sdk(s, http=http).manage.v1.projects.list()).projects[0].name == "stand-in"
        with pytest.raises(ApiError) as refused:
            await sdk(s, key="wrong", http=http).manage.v1.projects.list()
        assert refused.value.status_code == 401
        options = {"model": "nova-3", "encoding": "linear16", "sample_rate": RATE_HZ}
        async with sdk(s).listen.v1.connect(**options) as connection:
            await connection.send_media(SPEECH)
            await connection.send_finalize()
            results = await connection.recv()
            assert results.from_finalize
            assert results.channel.alternatives[0].transcript == "Hello."
            assert results.metadata.model_info.name == "nova-3"
            await connection.send_close_stream()
            assert (await connection.recv()).type == "Metadata"


async def test_sdk_speaks():
    async with DeepgramStandIn() as s:
        options = {"model": "aura-2-thalia-en", "encoding": "linear16", "sample_rate": RATE_HZ}
        async with sdk(s).speak.v1.connect(**options) as connection:
            assert (await connection.recv()).model_name == "aura-2-thalia-en"
            await connection._send({"type": "Speak", "text": "Hi."})
            await connection.send_flush()
            audio = await connection.recv()
            audio += await connection.recv()
            assert audio == signature("Hi.", RATE_HZ)
            assert (await connection.recv()).type == "Flushed"
            await connection.send_close()


async def test_speech_waits_for_a_sentence_or_a_flush_and_can_be_cleared():
    async with DeepgramStandIn() as s, dial(s, SPEAK.replace("linear16", "mulaw")) as ws:
        for text in ("Hello ", "there. ", "How are"):
            await ws.send(json.dumps({"type": "Speak", "text": text}))
        await ws.send('{"type": "Flush"}')
        audio = decode(await audio_until(ws, "Flushed"), "mulaw").tobytes()
        split = len(signature("Hello there.", RATE_HZ))
        assert identify(audio[:split], RATE_HZ, ["Hello there.", "How are"]) == "Hello there."
        assert identify(audio[split:], RATE_HZ, ["Hello there.", "How are"]) == "How are"
        assert len(audio) == split + len(signature("How are", RATE_HZ))

        s.tts_first_byte_s = 30
        await ws.send(json.dumps({"type": "Speak", "text": "Never heard."}))
        await ws.send('{"type": "Clear"}')
        assert await audio_until(ws, "Cleared") == b""
        s.tts_first_byte_s = 0
        await ws.send('{"type": "Flush"}')
        assert await audio_until(ws, "Flushed") == b""
        await ws.send('{"type": "Close"}')
        await ws.wait_closed()
        assert ws.close_code == 1000


async def test_pipecat_hears_a_caller():
    async with DeepgramStandIn(transcripts=["Good morning."]) as s:
        service = DeepgramSTTService(api_key=DEFAULT_KEY, base_url=s.base_url, sample_rate=RATE_HZ)
        async with piped(service, RATE_HZ) as pipe:
            await pipe.send(VADUserStartedSpeakingFrame())
            step = RATE_HZ // 50 * 2
            frames = [SPEECH[at : at + step] for at in range(0, len(SPEECH), step)]
            await pipe.send(*(InputAudioRawFrame(audio, RATE_HZ, 1) for audio in frames))
            await pipe.down.wait(InterimTranscriptionFrame)
            await pipe.down.until(lambda: len(pipe.down.of(InputAudioRawFrame)) == len(frames))
            await pipe.send(VADUserStoppedSpeakingFrame())
            (final,) = await pipe.down.wait(TranscriptionFrame)
            assert final.text == "Good morning."
            assert final.finalized
        await s.all_closed()
        assert s.requests[0].query["sample_rate"] == str(RATE_HZ)


async def test_pipecat_reports_a_refused_key():
    async with DeepgramStandIn() as s:
        service = DeepgramSTTService(api_key="wrong", base_url=s.base_url, sample_rate=RATE_HZ)
        async with piped(service, RATE_HZ) as pipe:
            assert (await pipe.up.wait(ErrorFrame))[0].exception.status_code == 401


async def test_pipecat_speaks_and_is_interrupted():
    async with DeepgramStandIn() as s:
        service = DeepgramTTSService(api_key=DEFAULT_KEY, base_url=s.base_url, sample_rate=RATE_HZ)
        async with piped(service, RATE_HZ) as pipe:
            await pipe.send(TTSSpeakFrame("Hello there."))
            await pipe.down.wait(TTSStoppedFrame)
            heard = b"".join(f.audio for f in pipe.down.of(TTSAudioRawFrame))
            assert heard[: len(signature("Hello there.", RATE_HZ))] == signature("Hello there.", RATE_HZ)
            s.tts_first_byte_s = 30
            await pipe.send(LLMFullResponseStartFrame(), LLMTextFrame("Never heard. "), LLMFullResponseEndFrame())
            (log,) = s.requests
            await pipe.down.wait(LLMFullResponseStartFrame)
            await s.until(lambda: {"type": "Speak", "text": "Never heard. "} in log.messages)
            await pipe.send(InterruptionFrame())
            await s.until(lambda: {"type": "Clear"} in log.messages)
            assert not pipe.up.of(ErrorFrame)
        await s.all_closed()


async def test_faults_of_a_transcription():
    async with DeepgramStandIn() as s:
        s.faults = Faults(garbage_after=1)
        async with dial(s, LISTEN) as ws:
            for _ in range(3):
                await ws.send('{"type": "Finalize"}')
            kinds = []
            for _ in range(3):
                try:
                    kinds.append(json.loads(await ws.recv())["type"])
                except ValueError:
                    kinds.append("garbage")
            assert kinds == ["Results", "garbage", "Results"]
            s.faults.stall_after = 3
            await ws.send('{"type": "Finalize"}')
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ws.recv(), 0.1)
            s.faults = Faults(drop_after=3)
            await ws.send('{"type": "Finalize"}')
            with pytest.raises(websockets.ConnectionClosedError) as dropped:
                await ws.recv()
            assert dropped.value.rcvd is None
        s.faults = Faults(status=429, retry_after_s=3)
        with pytest.raises(websockets.InvalidStatus) as refused:
            await dial(s, LISTEN)
        assert refused.value.response.status_code == 429
        assert refused.value.response.headers["Retry-After"] == "3"
        await s.all_closed()


async def test_faults_of_speech():
    async with DeepgramStandIn(faults=Faults(drop_after=3)) as s, dial(s, SPEAK) as ws:
        await ws.send(json.dumps({"type": "Speak", "text": "A long answer that is never finished."}))
        await ws.send('{"type": "Flush"}')
        with pytest.raises(websockets.ConnectionClosedError):
            await audio_until(ws, "Flushed")


async def test_each_message_can_be_late():
    async with DeepgramStandIn(faults=Faults(chunk_delay_s=0.05)) as s:
        loop = asyncio.get_running_loop()
        async with dial(s, SPEAK) as ws:
            started_s = loop.time()
            await ws.send(json.dumps({"type": "Speak", "text": "Hello"}))
            await ws.send('{"type": "Flush"}')
            await audio_until(ws, "Flushed")
            assert loop.time() - started_s >= 0.05 * 5
