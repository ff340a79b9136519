from __future__ import annotations

import json

import pytest

from adapters.media.clients.base import CallLeg, Hangup, PlayAudio
from adapters.media.clients.vobiz import VobizClient
from adapters.media.codecs import ulaw_to_pcm
from models.errors import MediaProtocolError

LEG = CallLeg("S1", "C1", "500025", from_="+15551230001", parameters={"plan": 'go"ld'})
MEDIA = '"media":{"contentType":"audio/x-mulaw","sampleRate":8000,"payload":"/38A"}'


def test_what_it_sends_otherwise_than_plivo() -> None:
    client = VobizClient(LEG)
    [start] = map(json.loads, client.opening())
    assert start["sequenceNumber"] == 0
    assert json.loads(start["extra_headers"]) == {"from": "+15551230001", "plan": 'go"ld'}
    [played] = map(json.loads, client.send_mark_reached("m"))
    assert played == {"event": "playedStream", "name": "m"}


def test_what_it_hears() -> None:
    client = VobizClient(LEG)
    audio = f'{{"event":"playAudio","streamId":"S1",{MEDIA}}}'
    assert client.receive(audio) == [PlayAudio(ulaw_to_pcm(b"\xff\x7f\x00"))]
    assert client.receive('{"event":"stop","streamId":"S1"}') == [Hangup()]


@pytest.mark.parametrize(
    "message",
    [f'{{"event":"playAudio",{MEDIA}}}', '{"event":"stop"}', '{"event":"sendDTMF","dtmf":"1"}', '{"event":"hangup"}'],
)
def test_what_vobiz_refuses(message: str) -> None:
    with pytest.raises(MediaProtocolError):
        VobizClient(LEG).receive(message)
