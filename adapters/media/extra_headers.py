"""Custom parameters as Plivo and its like write them: a string in the ``extra_headers`` of their messages.

Documented is ``userId=12345;sessionId=abc-xyz``; the XML attribute that they come from is written with commas, an empty
set is ``{}``, and names may carry the prefix ``X-PH-`` of a SIP header. All of that is read, and a JSON object too.

Source: https://www.plivo.com/docs/voice-agents/audio-streaming/concepts/audio-streaming-reference and
https://docs.vobiz.ai/xml/stream/stream-events
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from adapters.media import wire
from models.errors import MediaProtocolError

MAX_EXTRA_HEADERS_CHARS: Final = 4_096
"""Longest string that is read, characters. Plivo allows 512 bytes."""

_SIP_PREFIX: Final = "x-ph-"
_BETWEEN: Final = re.compile(r"[;,]")
_INSIDE: Final = re.compile(r"[=:]")


def extra_headers(value: object) -> dict[str, str]:
    """Read custom parameters; {} when they are missing (None).

    Raises:
        MediaProtocolError: Neither a string nor an object, too long, or not text.
    """
    if isinstance(value, str):
        if len(value) > MAX_EXTRA_HEADERS_CHARS:
            raise MediaProtocolError("a field is too long")
        value = _from_json(value) or _from_pairs(value)
    return {_plain_name(name): text for name, text in wire.parameters(value).items()}


def _from_json(written: str) -> dict[str, Any]:
    try:
        found = json.loads(written)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _from_pairs(written: str) -> dict[str, str]:
    written = written.strip()
    if written.startswith("{") and written.endswith("}"):
        written = written[1:-1]
    pairs = [_INSIDE.split(part, maxsplit=1) for part in _BETWEEN.split(written)]
    return {pair[0].strip(): pair[1].strip() for pair in pairs if len(pair) > 1 and pair[0].strip()}


def _plain_name(name: str) -> str:
    return name[len(_SIP_PREFIX) :] if name.lower().startswith(_SIP_PREFIX) else name
