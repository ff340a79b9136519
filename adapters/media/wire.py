"""Reading the untrusted JSON text messages of media protocols.

Everything here raises `models.errors.MediaProtocolError` and nothing else, and nothing of the message is put into the
error: messages carry callers' numbers and tokens.
"""

from __future__ import annotations

import binascii
import json
from typing import Any, Final

from models.errors import InvalidField, MediaProtocolError

MAX_MESSAGE_CHARS: Final = 65_536
"""Longest text message that is read, characters. A 20 ms Twilio message has about 350."""

MAX_NAME_CHARS: Final = 1_024
"""Longest identifier, mark name or reason, characters."""

_MAX_NUMBER_DIGITS: Final = 15

DTMF_DIGITS: Final = frozenset("0123456789*#ABCD")
"""The digits of ITU-T Q.23."""


def json_object(message: str) -> dict[str, Any]:
    """Parse a text message that must be one JSON object.

    Raises:
        MediaProtocolError: Too long, not JSON, nested too deeply, or not an object.
    """
    if len(message) > MAX_MESSAGE_CHARS:
        raise MediaProtocolError("the message is too long")
    try:
        document = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise MediaProtocolError("the message is not JSON") from error
    if type(document) is not dict:
        raise MediaProtocolError("the message is not a JSON object")
    return document


def peek(message: str | bytes) -> dict[str, Any]:
    """Parse a first message to recognise its protocol; {} for whatever is no JSON object. Never raises."""
    if isinstance(message, bytes):
        return {}
    try:
        return json_object(message)
    except MediaProtocolError:
        return {}


def is_greeting(message: str | bytes) -> bool:
    """Say whether a first message is a ``{"event": "connected"}``, which does not tell its protocol. Never raises."""
    return peek(message).get("event") == "connected"


def text(value: object) -> str:
    """Read an optional string.

    Returns:
        The string; '' when it is missing (None).

    Raises:
        MediaProtocolError: Not a string, longer than `MAX_NAME_CHARS`, or not storable (NUL, lone surrogate).
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise MediaProtocolError("a field must be a string")
    if len(value) > MAX_NAME_CHARS:
        raise MediaProtocolError("a field is too long")
    return _storable(value)


def name(value: object) -> str:
    """Read a required string.

    Raises:
        MediaProtocolError: Missing, empty, or not a string that `text` takes.
    """
    found = text(value)
    if not found:
        raise MediaProtocolError("a name is missing")
    return found


def section(value: object) -> dict[str, Any]:
    """Read an optional object; {} when it is missing (None).

    Raises:
        MediaProtocolError: Not an object.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MediaProtocolError("a field must be an object")
    return value


def parameters(value: object) -> dict[str, str]:
    """Read optional custom parameters.

    Returns:
        Name to value; numbers and booleans in their JSON spelling.

    Raises:
        MediaProtocolError: Not an object, or a value that is neither a string, a number nor a boolean.
    """
    found: dict[str, str] = {}
    for key, entry in section(value).items():
        if isinstance(entry, str):
            found[_storable(key)] = _storable(entry)
        elif isinstance(entry, bool | int | float):
            found[_storable(key)] = json.dumps(entry)
        else:
            raise MediaProtocolError("a custom parameter must be a string")
    return found


def whole_number(value: object) -> int | None:
    """Read a count or a media time, written as a number or as a string.

    Returns:
        The number; None for a broken one, as audio is worth more than its numbers.
    """
    if isinstance(value, str) and len(value) <= _MAX_NUMBER_DIGITS and value.isascii() and value.isdigit():
        return int(value)
    return value if type(value) is int and value >= 0 else None


def plain_parameters(value: object) -> dict[str, str]:
    """Read an optional object of any content; what is no string, number or boolean is left out.

    Raises:
        MediaProtocolError: Not an object, or text that `text` would not take for its characters.
    """
    return parameters({key: entry for key, entry in section(value).items() if isinstance(entry, str | int | float)})


def digit(value: object) -> str:
    """Read one DTMF digit.

    Raises:
        MediaProtocolError: Not one of `DTMF_DIGITS`.
    """
    if not isinstance(value, str) or value not in DTMF_DIGITS:
        raise MediaProtocolError("not a DTMF digit")
    return value


def require_digits(digits: str) -> str:
    """Check digits that are about to be sent.

    Raises:
        InvalidField: Empty, or something beside `DTMF_DIGITS`.
    """
    if not digits or not DTMF_DIGITS.issuperset(digits):
        raise InvalidField("digits", "only 0-9, *, # and A-D can be sent")
    return digits


def base64_bytes(value: object) -> bytes:
    """Decode strict base64: no white space, no other alphabet, correct padding, nothing after it.

    Raises:
        MediaProtocolError: Not a string of strict base64.
    """
    if not isinstance(value, str):
        raise MediaProtocolError("the payload is not base64")
    try:
        return binascii.a2b_base64(value, strict_mode=True)
    except ValueError as error:
        raise MediaProtocolError("the payload is not base64") from error


def _storable(value: str) -> str:
    """Refuse what databases and UTF-8 writers choke on: JSON escapes can spell both."""
    if "\x00" in value:
        raise MediaProtocolError("a field holds characters that are not text")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise MediaProtocolError("a field holds characters that are not text") from error
    return value
