from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.media import wire
from adapters.media.clients import twilio as client_twilio
from adapters.media.clients.base import CallLeg, Clear, ClientEvent, Mark, PlayAudio
from adapters.media.clients.twilio import TwilioClient
from adapters.media.codecs import pcm_to_ulaw, ulaw_to_pcm
from models.errors import MediaProtocolError

LEG = CallLeg("MZ1", "CA1", "AC1", from_="+15551230001", to="100", parameters={"plan": "gold", "to": "200"})
SILENCE = base64.b64encode(b"\xff" * 160).decode()


def _documents(messages: list[str | bytes]) -> list[dict[str, Any]]:
    return [json.loads(message) for message in messages]


def test_a_call_as_twilio_sends_it() -> None:
    client = TwilioClient(LEG)
    frame = b"\x00\x00" * 160
    sent = _documents(
        [
            *client.opening(),
            *client.send_audio(frame * 2),
            *client.send_dtmf("5"),
            *client.send_mark_reached("m"),
            *client.send_audio(frame),
            *client.send_stop("ignored"),
        ]
    )
    media = [document["media"] for document in sent if document["event"] == "media"]
    assert sent[0] == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    assert sent[1] == {
        "event": "start",
        "sequenceNumber": "1",
        "streamSid": "MZ1",
        "start": {
            "accountSid": "AC1",
            "streamSid": "MZ1",
            "callSid": "CA1",
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"from": "+15551230001", "plan": "gold", "to": "200"},
        },
    }
    assert media == [
        {"track": "inbound", "chunk": "1", "timestamp": "0", "payload": SILENCE},
        {"track": "inbound", "chunk": "2", "timestamp": "20", "payload": SILENCE},
        {"track": "inbound", "chunk": "3", "timestamp": "40", "payload": SILENCE},
    ]
    assert sent[4]["dtmf"] == {"track": "inbound_track", "digit": "5"}
    assert sent[5]["mark"] == {"name": "m"}
    assert sent[7]["stop"] == {"accountSid": "AC1", "callSid": "CA1"}
    assert [document["sequenceNumber"] for document in sent[1:]] == [str(number) for number in range(1, 8)]
    assert {document["streamSid"] for document in sent[1:]} == {"MZ1"}


def test_audio_leaves_in_whole_frames_and_the_last_is_filled_up() -> None:
    client = TwilioClient(LEG)
    assert client.send_audio(b"\x00\x10" * 159) == []
    [first] = _documents(client.send_audio(b"\x00\x10" * 2))
    assert len(base64.b64decode(first["media"]["payload"])) == 160
    rest, stop = _documents(client.send_stop())
    assert base64.b64decode(rest["media"]["payload"])[1:] == b"\xff" * 159
    assert stop["event"] == "stop"
    assert [document["event"] for document in _documents(client.send_stop())] == ["stop"]


def test_what_it_hears() -> None:
    client = TwilioClient(LEG)
    media = {"event": "media", "streamSid": "MZ1", "media": {"payload": "/38A"}}
    assert client.receive(json.dumps(media)) == [PlayAudio(ulaw_to_pcm(b"\xff\x7f\x00"))]
    assert client.receive('{"event":"mark","streamSid":"MZ1","mark":{"name":"m"}}') == [Mark("m")]
    assert client.receive('{"event":"clear","streamSid":"MZ1"}') == [Clear()]


@pytest.mark.parametrize(
    "message",
    [
        b"\x00\x00",
        '{"event":"clear"}',
        '{"event":"clear","streamSid":"MZ2"}',
        '{"event":"hangup","streamSid":"MZ1"}',
        '{"event":"mark","streamSid":"MZ1"}',
        '{"event":"media","streamSid":"MZ1","media":{"payload":"a"}}',
        '{"event":"media","streamSid":"MZ1"}',
    ],
)
def test_what_twilio_refuses(message: str | bytes) -> None:
    with pytest.raises(MediaProtocolError):
        TwilioClient(LEG).receive(message)


def _heard(client: TwilioClient, message: str) -> list[ClientEvent] | str:
    try:
        return client.receive(message)
    except MediaProtocolError as error:
        return error.message


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")], ids=["compact", "spaced"])
@pytest.mark.parametrize("stream_id", ["MZ1", 'a "quoted" \\ id, with: spaces', "поток"])
@given(payload=st.one_of(st.binary(max_size=400).map(base64.b64encode).map(bytes.decode), st.text(max_size=20)))
def test_audio_in_the_usual_spelling_means_what_its_json_means(
    separators: tuple[str, str], stream_id: str, payload: str
) -> None:
    client = TwilioClient(CallLeg(stream_id, "CA1"))
    head, end = json.dumps(
        {"event": "media", "streamSid": stream_id, "media": {"payload": "HERE"}}, separators=separators
    ).split("HERE")
    for inside in (payload, payload + '"}}', payload + '","payload":"' + payload, "\\u0041" + payload):
        message = head + inside + end
        # White space before the message keeps it from being read in any way but as JSON.
        assert _heard(client, message) == _heard(client, " " + message)


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")], ids=["compact", "spaced"])
def test_usual_audio_is_heard(separators: tuple[str, str]) -> None:
    ulaw = bytes(range(256))
    media = {"event": "media", "streamSid": "MZ1", "media": {"payload": base64.b64encode(ulaw).decode()}}
    assert TwilioClient(LEG).receive(json.dumps(media, separators=separators)) == [PlayAudio(ulaw_to_pcm(ulaw))]


def test_audio_for_another_stream_or_too_long_is_refused() -> None:
    client = TwilioClient(LEG)
    assert _heard(client, '{"event":"media","streamSid":"MZ2","media":{"payload":"AAAA"}}') == (
        "the message is for another stream"
    )
    payload = "A" * wire.MAX_MESSAGE_CHARS
    assert _heard(client, f'{{"event":"media","streamSid":"MZ1","media":{{"payload":"{payload}"}}}}') == (
        "the message is too long"
    )


@given(st.lists(st.binary(min_size=320, max_size=320), min_size=1, max_size=5))
def test_each_call_says_its_own_frames(frames: list[bytes]) -> None:
    for stream_id in ("MZ1", "MZ2"):
        client = TwilioClient(CallLeg(stream_id, "CA1"))
        sent = _documents([message for frame in frames for message in client.send_audio(frame)])
        assert [base64.b64decode(document["media"]["payload"]) for document in sent] == list(map(pcm_to_ulaw, frames))
        assert [document["media"]["chunk"] for document in sent] == [str(n + 1) for n in range(len(frames))]
        assert [document["sequenceNumber"] for document in sent] == [str(n + 1) for n in range(len(frames))]
        assert {document["streamSid"] for document in sent} == {stream_id}


def test_what_many_callers_say_is_encoded_once() -> None:
    frames = [bytes([number, 1]) * 160 for number in range(50)]
    before = client_twilio._ulaw_payload.cache_info().misses
    for _ in range(3):
        client = TwilioClient(LEG)
        for frame in frames:
            assert client.send_audio(frame)
    assert client_twilio._ulaw_payload.cache_info().misses - before <= len(frames)
    assert client_twilio._ulaw_payload.cache_info().maxsize
