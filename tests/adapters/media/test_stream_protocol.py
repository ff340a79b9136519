"""What a fatal error does to a stream, and one that is not."""

from __future__ import annotations

import pytest

from adapters.media.plain import PlainProtocol
from adapters.media.stream_protocol import StreamProtocol
from models.errors import MediaProtocolError

START = '{"event": "start", "sample_rate": 8000, "call_id": "c"}'
TONE = b"\x00\x10" * 160


def test_a_protocol_has_to_read_its_messages() -> None:
    with pytest.raises(TypeError, match="_take"):
        type("Incomplete", (PlainProtocol,), {"_take": StreamProtocol._take})()


def test_after_a_fatal_error_nothing_is_sent_or_taken() -> None:
    protocol = PlainProtocol()
    with pytest.raises(MediaProtocolError) as caught:
        protocol.receive(TONE)
    assert caught.value.fatal
    with pytest.raises(MediaProtocolError, match="over"):
        protocol.receive(TONE)
    assert protocol.send_audio(TONE) == []


def test_after_any_other_error_the_stream_goes_on() -> None:
    protocol = PlainProtocol()
    protocol.receive(START)
    with pytest.raises(MediaProtocolError) as caught:
        protocol.receive(b"\x00")
    assert not caught.value.fatal
    assert protocol.receive(TONE)
    assert protocol.send_audio(TONE) == [TONE]
