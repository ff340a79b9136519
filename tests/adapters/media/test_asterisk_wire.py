from __future__ import annotations

import json

import pytest

from adapters.media.asterisk_wire import MAX_COMMAND_BYTES, Spelling, command, read_command, read_event, spelling_of
from models.errors import MediaProtocolError


@pytest.mark.parametrize(
    ("message", "event", "fields"),
    [
        # The examples of pbx facts, B8, and the vendor's document.
        ("DTMF_END digit:5 channel_id:1761245643.1", "DTMF_END", {"digit": "5", "channel_id": "1761245643.1"}),
        ("MEDIA_MARK_PROCESSED m1", "MEDIA_MARK_PROCESSED", {"correlation_id": "m1"}),
        ("MEDIA_MARK_PROCESSED a:b c", "MEDIA_MARK_PROCESSED", {"correlation_id": "a:b c"}),
        ("MEDIA_MARK_PROCESSED", "MEDIA_MARK_PROCESSED", {"correlation_id": ""}),
        ("MEDIA_BUFFERING_COMPLETED 7", "MEDIA_BUFFERING_COMPLETED", {"correlation_id": "7"}),
        ("MEDIA_XOFF", "MEDIA_XOFF", {}),
        (
            "MEDIA_START channel:WebSocket/c:1/0x5 ptime:20",
            "MEDIA_START",
            {"channel": "WebSocket/c:1/0x5", "ptime": "20"},
        ),
        ("ERROR channel_id:1.1 error_text:not supported", "ERROR", {"channel_id": "1.1", "error_text": "not"}),
        ("", "", {}),
    ],
)
def test_plain_text(message: str, event: str, fields: dict[str, str]) -> None:
    assert spelling_of(message) is Spelling.PLAIN
    assert read_event(message) == (event, fields)


def test_json() -> None:
    document = {"event": "DTMF_END", "channel_id": "1.1", "digit": "5"}
    message = json.dumps(document)
    assert spelling_of(message) is Spelling.JSON
    assert read_event(message) == ("DTMF_END", document)
    assert read_event('{"event":5}')[0] == ""


@pytest.mark.parametrize("message", ["{", '{"event":"MEDIA_XON"', "x" * 65_537, '{"a":"' + "x" * 65_537 + '"}'])
def test_what_cannot_be_read(message: str) -> None:
    with pytest.raises(MediaProtocolError) as caught:
        read_event(message)
    assert not caught.value.fatal


@pytest.mark.parametrize(
    ("spelling", "name", "correlation_id", "message"),
    [
        (Spelling.PLAIN, "FLUSH_MEDIA", "", "FLUSH_MEDIA"),
        (Spelling.PLAIN, "MARK_MEDIA", "m1", "MARK_MEDIA m1"),
        (Spelling.JSON, "FLUSH_MEDIA", "", '{"command": "FLUSH_MEDIA"}'),
        (Spelling.JSON, "MARK_MEDIA", "m1", '{"command": "MARK_MEDIA", "correlation_id": "m1"}'),
    ],
)
def test_commands_there_and_back(spelling: Spelling, name: str, correlation_id: str, message: str) -> None:
    assert command(spelling, name, correlation_id) == message
    assert read_command(spelling, message) == (name, correlation_id)


def test_asterisk_ignores_a_long_command() -> None:
    assert read_command(Spelling.PLAIN, "M" * MAX_COMMAND_BYTES)
    for message in ("M" * (MAX_COMMAND_BYTES + 1), "é" * 65):
        with pytest.raises(MediaProtocolError):
            read_command(Spelling.PLAIN, message)
    with pytest.raises(MediaProtocolError):
        read_command(Spelling.JSON, "FLUSH_MEDIA")
