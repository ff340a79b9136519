"""The binary messages of ``application/vnd.amazon.eventstream``.

Written after https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html and
https://smithy.io/2.0/aws/amazon-eventstream.html: a prelude of total length and length of headers with its CRC-32, the
headers, the payload, and the CRC-32 of all that.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any

_STRING = 7
"""Type of a header whose value is a string."""


def encode(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Encode one message whose headers are strings."""
    head = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack(">II", 12 + len(head) + len(payload) + 4, len(head))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + payload
    return message + struct.pack(">I", zlib.crc32(message))


def event(kind: str, body: Mapping[str, Any]) -> bytes:
    """Encode an event with a JSON body."""
    return _typed({":event-type": kind, ":content-type": "application/json", ":message-type": "event"}, body)


def exception(kind: str, message: str) -> bytes:
    """Encode an exception that the service modelled, such as ``throttlingException``."""
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return _typed(headers, {"message": message})


def _typed(headers: Mapping[str, str], body: Mapping[str, Any]) -> bytes:
    return encode(headers, json.dumps(body, ensure_ascii=False).encode())


def _header(name: str, value: str) -> bytes:
    raw_name, raw_value = name.encode(), value.encode()
    return struct.pack(">B", len(raw_name)) + raw_name + struct.pack(">BH", _STRING, len(raw_value)) + raw_value
