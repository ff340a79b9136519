"""Twilio's signature on the WebSocket upgrade request.

Twilio sends ``X-Twilio-Signature`` (in any case: compare header names in lower case) = base64 of HMAC-SHA1, keyed with
the account's auth token, over the public URL exactly as it was dialled, ``wss://`` scheme included. A media stream has
no parameters. Behind a proxy that URL is not the one the server sees, so it is built from the configured public URL.

Source: https://www.twilio.com/docs/usage/security
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import SplitResult, urlsplit

HEADER: Final = "x-twilio-signature"
"""Name of the header, lower case."""

# 80 for ws and wss is what Twilio's own validators put there, 443 is the real port of wss.
_PORTS: Final = {"https": (443,), "wss": (443, 80), "http": (80,), "ws": (80,)}


def sign(auth_token: str, url: str, params: Mapping[str, str | Sequence[str]] | None = None) -> str:
    """Make the signature of a request.

    Args:
        auth_token: The account's auth token.
        url: Public URL as dialled, query included.
        params: Form fields of a POST; none for a media stream. A field with several values is given as a list.

    Returns:
        The value of the header.
    """
    text = url
    for name in sorted(params or ()):
        values = (params or {})[name]
        for value in [values] if isinstance(values, str) else sorted(set(values)):
            text += name + value
    return b64encode(hmac.digest(_utf8(auth_token), _utf8(text), "sha1")).decode("ascii")


def verify(auth_token: str, url: str, signature: str, params: Mapping[str, str | Sequence[str]] | None = None) -> bool:
    """Say whether a request was signed with the token.

    The URL is tried as it is, without its port and with its scheme's default port, because Twilio is not consistent
    about the port. The comparison takes the same time wherever the signatures differ.

    Args:
        auth_token: The account's auth token; nothing is valid under an empty one.
        url: Public URL as dialled, query included.
        signature: Value of the header.
        params: Form fields of a POST; none for a media stream.
    """
    if not auth_token:
        return False
    given = _utf8(signature)
    valid = False
    for candidate in _spellings(url):
        valid |= hmac.compare_digest(sign(auth_token, candidate, params).encode("ascii"), given)
    return valid


def _spellings(url: str) -> Iterator[str]:
    yield url
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return
    if port is not None:
        yield _with_netloc(parts, parts.netloc.removesuffix(f":{port}"))
        return
    for default in _PORTS.get(parts.scheme, ()):
        yield _with_netloc(parts, f"{parts.netloc}:{default}")


def _with_netloc(parts: SplitResult, netloc: str) -> str:
    return parts._replace(netloc=netloc).geturl()


def _utf8(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")
