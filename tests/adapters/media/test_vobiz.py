"""What Vobiz documents otherwise than Plivo."""

from __future__ import annotations

import json

import pytest

from adapters.media.base import AudioReceived, Handshake, MarkReached, Started
from adapters.media.codecs import ulaw_to_pcm
from adapters.media.registry import choose
from adapters.media.vobiz import VobizProtocol
from models.errors import MediaProtocolError

STREAM = "c4dfd815-a92a-4140-ab85-5ff28c004116"
CALL = "5401fd2e-6344-40df-a22c-c8ffea7a92e7"
START = json.dumps(
    {
        "sequenceNumber": 0,
        "event": "start",
        "start": {
            "callId": CALL,
            "streamId": STREAM,
            "accountId": "500025",
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000},
        },
        "extra_headers": "{}",
    }
)


def test_a_documented_call() -> None:
    protocol = VobizProtocol()
    assert protocol.receive(START) == [Started(STREAM, CALL, "500025", 8000)]
    inner = {"track": "inbound", "timestamp": "1778597597091", "chunk": 1, "payload": "/38A"}
    media = {"sequenceNumber": 1, "streamId": STREAM, "event": "media", "media": inner, "extra_headers": "{}"}
    assert protocol.receive(json.dumps(media)) == [AudioReceived(ulaw_to_pcm(b"\xff\x7f\x00"), 0)]
    assert protocol.receive('{"event":"playedStream","name":"turn-3"}') == [MarkReached("turn-3")]
    assert protocol.receive(json.dumps({"sequenceNumber": 7, "event": "clearedAudio", "streamId": STREAM})) == []


def test_every_command_names_the_stream() -> None:
    protocol = VobizProtocol()
    assert protocol.send_hangup() == []
    protocol.receive(START)
    commands = [
        *protocol.send_audio(b"\0\0"),
        *protocol.send_mark("m"),
        *protocol.send_clear(),
        *protocol.send_hangup(),
    ]
    documents = [json.loads(command) for command in commands]
    assert [document["event"] for document in documents] == ["playAudio", "checkpoint", "clearAudio", "stop"]
    assert {document["streamId"] for document in documents} == {STREAM}
    assert protocol.send_dtmf("5") == []


def test_a_rate_of_24000_is_refused() -> None:
    with pytest.raises(MediaProtocolError, match="8000 or 16000") as caught:
        VobizProtocol().receive(START.replace("audio/x-mulaw", "audio/x-l16").replace("8000", "24000"))
    assert caught.value.fatal


def test_it_has_to_be_asked_for_where_the_request_is_not_signed() -> None:
    bare = Handshake(url="wss://h/", path="/")
    assert choose(bare, forced="vobiz") is VobizProtocol
    assert not VobizProtocol.matches_message(START)
    assert choose(bare, START) is not VobizProtocol
    for name in ("x-vobiz-signature", "x-vobiz-signature-v2", "x-vobiz-signature-v3"):
        assert choose(Handshake(url="wss://h/", path="/", headers={name: "x"})) is VobizProtocol
