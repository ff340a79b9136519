from __future__ import annotations

import json

import pytest

from adapters.media.clients.base import CallLeg, Clear, Hangup
from adapters.media.clients.jambonz import JambonzClient
from models.errors import MediaProtocolError


def test_disconnect_ends_the_verb() -> None:
    client = JambonzClient(CallLeg("CS1", "CS1"))
    assert client.subprotocol == "audio.jambonz.org"
    assert client.query == {}
    assert json.loads(str(client.opening()[0])).keys() >= {"callSid", "direction", "sampleRate", "mixType"}
    assert client.receive('{"type":"killAudio"}') == [Clear()]
    assert client.receive('{"type":"transcription","data":{}}') == []
    assert client.receive('{"type":"disconnect"}') == [Hangup()]
    with pytest.raises(MediaProtocolError):
        client.receive('{"type":"hangup"}')
