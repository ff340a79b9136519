from __future__ import annotations

import json
from typing import Any, ClassVar

import pytest

from adapters.media.base import Handshake, MarkPolicy, MarkReached, MediaCapabilities, MediaEvent, Message, Started
from adapters.media.json_stream import JsonStream
from adapters.media.stream_life import Verb
from models.errors import MediaProtocolError


class OneNameStream(JsonStream):
    """The least that a protocol has to bring."""

    name: ClassVar[str] = "one-name"
    label: ClassVar[str] = "One name"
    capabilities: ClassVar[MediaCapabilities] = MediaCapabilities(marks=MarkPolicy.DROPPED, flush=True)
    stream_key: ClassVar[str] = "id"
    sample_rate_hz = 8000

    @classmethod
    def matches_handshake(cls, handshake: Handshake) -> bool:
        return False

    @classmethod
    def matches_message(cls, message: Message) -> bool:
        return False

    def send_audio(self, pcm: bytes) -> list[Message]:
        return self._text("{}")

    def send_mark(self, name: str) -> list[Message]:
        return self._text(f'{{"id":{self._stream_json}}}')

    def send_clear(self) -> list[Message]:
        return []

    def _event(self, event: object, document: dict[str, Any]) -> list[MediaEvent]:
        if event == "start":
            return self._start(document)
        self._move(Verb.CONTENT, document)
        return [MarkReached(str(event))]

    def _read_start(self, document: dict[str, Any]) -> Started:
        return Started(str(document.get("inner", document.get("id", ""))), "", "", 8000)


def refused(stream: OneNameStream, message: Message) -> bool:
    """Give a message that must be refused; returns whether fatally."""
    with pytest.raises(MediaProtocolError) as caught:
        stream.receive(message)
    return caught.value.fatal


def test_messages_of_the_stream_pass_and_others_do_not() -> None:
    stream = OneNameStream()
    assert stream.send_audio(b"\0\0") == []
    assert stream.receive('{"event":"start","id":"é\\""}') == [Started('é"', "", "", 8000)]
    assert [json.loads(message) for message in stream.send_mark("m")] == [{"id": 'é"'}]
    assert stream.receive('{"event":"a","id":"é\\""}') == stream.receive('{"event":"a"}') == [MarkReached("a")]
    for other in ('{"event":"a","id":"e"}', '{"event":"a","id":null}', b"\0", "[]", '{"event":"start","id":"é"}'):
        assert not refused(stream, other)
    assert stream.receive('{"event":"a"}') == [MarkReached("a")]


@pytest.mark.parametrize(
    "message", ['{"event":"start"}', '{"event":"start","id":"a","inner":"b"}', '{"event":"a","id":"a"}']
)
def test_a_wrong_beginning_is_fatal(message: str) -> None:
    stream = OneNameStream()
    assert refused(stream, message)
    assert not refused(stream, '{"event":"start","id":"a"}')
    assert stream.send_audio(b"\0\0") == []
