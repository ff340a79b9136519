import asyncio
import base64
import json

import pytest
import websockets
from elevenlabs.client import AsyncElevenLabs
from elevenlabs.realtime import AudioFormat, CommitStrategy, RealtimeEvents

from tests.standins.audio import signature
from tests.standins.base import DEFAULT_KEY
from tests.standins.elevenlabs import ElevenLabsStandIn

RATE_HZ = 8000
SPEECH = signature("a sentence of about two seconds", RATE_HZ)
QUERY = "model_id=scribe_v2_realtime&audio_format=pcm_8000&commit_strategy=manual"


def dial(stand_in, query=QUERY, key=DEFAULT_KEY):
    url = f"{stand_in.ws_url}/v1/speech-to-text/realtime?{query}"
    return websockets.connect(url, additional_headers={"xi-api-key": key})


def chunk(pcm=b"", *, commit=False, **fields):
    message = {"message_type": "input_audio_chunk", "audio_base_64": base64.b64encode(pcm).decode(), "commit": commit}
    return json.dumps(message | fields)


async def events(ws, until_type):
    """Events up to one of a type, that one included."""
    heard = []
    while not heard or heard[-1]["message_type"] != until_type:
        heard.append(json.loads(await ws.recv()))
    return heard


async def test_sdk_transcribes_when_told_to():
    async with ElevenLabsStandIn(transcripts=["one two three"]) as s:
        api = AsyncElevenLabs(api_key=DEFAULT_KEY, base_url=s.http_url)
        connection = await api.speech_to_text.realtime.connect(
            {
                "model_id": "scribe_v2_realtime",
                "audio_format": AudioFormat.PCM_8000,
                "sample_rate": RATE_HZ,
                "commit_strategy": CommitStrategy.MANUAL,
                "language_code": "eng",
            }
        )
        partials: list[str] = []
        committed = asyncio.get_running_loop().create_future()
        connection.on(RealtimeEvents.PARTIAL_TRANSCRIPT, lambda data: partials.append(data["text"]))
        connection.on(RealtimeEvents.COMMITTED_TRANSCRIPT, lambda data: committed.set_result(data["text"]))
        await connection.send({"audio_base_64": base64.b64encode(SPEECH).decode()})
        await connection.commit()
        assert await committed == "one two three"
        assert partials[0] == "one"
        await connection.close()
        assert bytes(s.requests[0].audio) == SPEECH


async def test_a_commit_makes_what_was_heard_final():
    async with ElevenLabsStandIn(transcripts=["one two three four", "five"]) as s, dial(s) as ws:
        (started,) = await events(ws, "session_started")
        assert started["config"]["audio_format"] == "pcm_8000"
        await ws.send(chunk(SPEECH[: len(SPEECH) // 2]))
        await ws.send(chunk(SPEECH[len(SPEECH) // 2 :], commit=True))
        heard = await events(ws, "committed_transcript")
        assert heard[0] == {"message_type": "partial_transcript", "text": "one"}
        assert heard[-1]["text"] == "one two three four"
        await ws.send(chunk(SPEECH, commit=True, sample_rate=RATE_HZ))
        assert (await events(ws, "committed_transcript"))[-1]["text"] == "five"
        assert bytes(s.requests[0].audio) == SPEECH * 2


async def test_silence_is_committed_as_nothing_and_too_little_not_at_all():
    async with ElevenLabsStandIn() as s, dial(s) as ws:
        await ws.send(chunk(bytes(RATE_HZ * 2), commit=True))
        assert (await events(ws, "committed_transcript"))[-1]["text"] == ""
        await ws.send(chunk(bytes(160), commit=True))
        (throttled,) = await events(ws, "commit_throttled")
        assert "only 0.01s" in throttled["error"]
        await ws.send(chunk(SPEECH, commit=True))
        assert (await events(ws, "committed_transcript"))[-1]["text"] == "caller said turn 1"


@pytest.mark.parametrize(
    "query",
    [
        "audio_format=pcm_8000",
        "model_id=scribe_v1&audio_format=pcm_8000",
        "model_id=scribe_v2_realtime&audio_format=pcm_11025",
        f"{QUERY}&language_code=en-US",
        "model_id=scribe_v2_realtime&commit_strategy=sometimes",
    ],
)
async def test_a_bad_query_is_answered_with_an_error_event(query):
    async with ElevenLabsStandIn() as s, dial(s, query) as ws:
        assert json.loads(await ws.recv())["message_type"] == "invalid_request"
        await ws.wait_closed()


@pytest.mark.parametrize(
    "message",
    [
        "{nonsense",
        '{"message_type": "commit"}',
        '{"message_type": "input_audio_chunk", "audio_base_64": "!!"}',
        '{"message_type": "input_audio_chunk", "audio_base_64": 7}',
        chunk(sample_rate=16_000),
    ],
)
async def test_a_bad_message_ends_the_session(message):
    async with ElevenLabsStandIn() as s, dial(s) as ws:
        await ws.send(message)
        assert [it["message_type"] for it in await events(ws, "input_error")] == ["session_started", "input_error"]
        await ws.wait_closed()


async def test_a_wrong_key_is_reported_in_band_or_at_the_handshake():
    async with ElevenLabsStandIn() as s:
        async with dial(s, key="wrong") as ws:
            assert json.loads(await ws.recv())["message_type"] == "auth_error"
            await ws.wait_closed()
        s.auth_at_handshake = True
        with pytest.raises(websockets.InvalidStatus):
            await dial(s, key="wrong")


async def test_a_session_can_be_ended():
    async with ElevenLabsStandIn() as s, dial(s) as ws:
        await events(ws, "session_started")
        await s.end_sessions("session_time_limit_exceeded")
        await events(ws, "session_time_limit_exceeded")
        await ws.wait_closed()
