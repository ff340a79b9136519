from __future__ import annotations

import json

from adapters.answers.base import Stream
from adapters.answers.jambonz import JAMBONZ

URL = "wss://calls.example.com/ws/7/t/jambonz"


def test_the_stream() -> None:
    listen, hangup = json.loads(JAMBONZ.connect(Stream(URL, {"from": "+1"})).body)
    assert hangup == {"verb": "hangup"}
    assert listen == {
        "verb": "listen",
        "url": URL,
        "mixType": "mono",
        "sampleRate": 8000,
        "passDtmf": True,
        "bidirectionalAudio": {"enabled": True, "streaming": True, "sampleRate": 8000},
        "metadata": {"from": "+1"},
    }


def test_a_password() -> None:
    listen, _ = json.loads(JAMBONZ.connect(Stream(URL, user_password="user:pass:word")).body)
    assert listen["wsAuth"] == {"username": "user", "password": "pass:word"}


def test_declining() -> None:
    assert json.loads(JAMBONZ.decline("No.").body) == [{"verb": "say", "text": "No."}, {"verb": "hangup"}]
