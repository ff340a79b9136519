"""The control messages of Asterisk's chan_websocket, in both of their spellings.

JSON (``{"event": "DTMF_END", "digit": "5"}``, ``{"command": "MARK_MEDIA", "correlation_id": "7"}``) and the older plain
text (``DTMF_END digit:5``, ``MARK_MEDIA 7``) say the same, except that only JSON carries channel variables.

Source: https://docs.asterisk.org/Configuration/Channel-Drivers/WebSocket/
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any, Final

from adapters.media import wire
from models.errors import MediaProtocolError

MAX_COMMAND_BYTES: Final = 128
"""Longest text message that Asterisk reads; it ignores a longer one without a word."""


class Spelling(StrEnum):
    """How control messages are written: the values of the dial option ``f()``."""

    JSON = "json"
    PLAIN = "plain-text"


_TAIL_FIELDS: Final = {
    "MEDIA_MARK_PROCESSED": "correlation_id",
    "MEDIA_BUFFERING_COMPLETED": "correlation_id",
}
"""Events of which the plain text holds one bare value."""


def spelling_of(message: str) -> Spelling:
    """Say how a text message is written. Never raises."""
    return Spelling.JSON if message.startswith("{") else Spelling.PLAIN


def read_event(message: str) -> tuple[str, dict[str, Any]]:
    """Read an event in either spelling.

    Returns:
        Its name and its fields; of plain text every value is a string.

    Raises:
        MediaProtocolError: Too long, or JSON that is no object.
    """
    if spelling_of(message) is Spelling.JSON:
        document = wire.json_object(message)
        event = document.get("event")
        return (event if isinstance(event, str) else ""), document
    if len(message) > wire.MAX_MESSAGE_CHARS:
        raise MediaProtocolError("the message is too long")
    event, _, rest = message.partition(" ")
    tail = _TAIL_FIELDS.get(event)
    if tail is not None:
        return event, {tail: rest}
    fields = (word.partition(":") for word in rest.split(" "))
    return event, {key: value for key, colon, value in fields if colon}


def command(spelling: Spelling, name: str, correlation_id: str = "") -> str:
    """Write a command.

    Args:
        spelling: How the other side writes.
        name: The command.
        correlation_id: What comes back in its event; '' for none.
    """
    if spelling is Spelling.PLAIN:
        return f"{name} {correlation_id}" if correlation_id else name
    return json.dumps({"command": name, **({"correlation_id": correlation_id} if correlation_id else {})})


def read_command(spelling: Spelling, message: str) -> tuple[str, str]:
    """Read a command as strictly as Asterisk does.

    Returns:
        The command and its correlation id ('' for none).

    Raises:
        MediaProtocolError: Longer than `MAX_COMMAND_BYTES`, or not in this spelling.
    """
    if len(message.encode("utf-8", "surrogatepass")) > MAX_COMMAND_BYTES:
        raise MediaProtocolError("a command may have 128 bytes at most")
    if spelling is Spelling.PLAIN:
        name, _, correlation_id = message.strip().partition(" ")
        return name, correlation_id
    document = wire.json_object(message)
    return wire.text(document.get("command")), wire.text(document.get("correlation_id"))
