from __future__ import annotations

import json

import pytest

from adapters.answers.base import Stream
from adapters.answers.vonage import VONAGE

URL = "wss://calls.example.com/ws/7/t/vonage"


@pytest.mark.parametrize("signed", [False, True])
def test_the_stream(signed: bool) -> None:
    said = {"session": "u", "from": "1555"}
    endpoint = {"type": "websocket", "uri": URL, "content-type": "audio/l16;rate=16000", "headers": said}
    if signed:
        endpoint["authorization"] = {"type": "vonage"}
    document = VONAGE.connect(Stream(URL, said, signed=signed))
    assert json.loads(document.body) == [{"action": "connect", "endpoint": [endpoint]}]


def test_declining() -> None:
    assert json.loads(VONAGE.decline("No.").body) == [{"action": "talk", "text": "No."}]
