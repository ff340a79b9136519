"""Twilio's signature, which SignalWire makes too: on the WebSocket upgrade request and on requests for documents.

Twilio sends ``X-Twilio-Signature`` (in any case: compare header names in lower case) = base64 of HMAC-SHA1, keyed with
the account's auth token, over the public URL exactly as it was dialled, ``wss://`` scheme included, and the fields of a
form. A media stream has no parameters. Behind a proxy that URL is not the one the server sees, so it is built from the
configured public URL. SignalWire signs its cXML requests in the same way with a project's signing key, in
``X-SignalWire-Signature``.

Sources: https://www.twilio.com/docs/usage/security, https://developer.signalwire.com/guides/webhook-security
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import SplitResult, urlsplit

from adapters.signatures.base import RequestAuth, SignedRequest
from models.errors import Unauthorized

HEADER: Final = "x-twilio-signature"
"""Name of the header, lower case."""

SIGNALWIRE_HEADER: Final = "x-signalwire-signature"
"""Name of SignalWire's header, lower case; it may send `HEADER` instead."""

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


class TwilioSignature(RequestAuth):
    """Twilio's signature, or SignalWire's.

    Args:
        secret: The account's auth token, or the project's signing key.
        protocols: Names of the media protocols that it covers.
        headers: Where it may stand, lower case, the best place first.
    """

    name = "Twilio signature"

    def __init__(self, secret: str, protocols: Collection[str] = (), headers: Sequence[str] = (HEADER,)) -> None:
        super().__init__(protocols)
        self._secret = secret
        self._headers = tuple(headers)

    def presented(self, request: SignedRequest) -> bool:
        """Say whether any of its headers is there."""
        return any(name in request.headers for name in self._headers)

    def check(self, request: SignedRequest, now_s: float) -> None:
        """Do nothing when the signature fits the URL and the form."""
        del now_s
        given = next((request.headers[name] for name in self._headers if name in request.headers), None)
        if given is None:
            raise Unauthorized("the request is not signed")
        if not verify(self._secret, request.url, given, request.form):
            raise Unauthorized("the signature does not fit this URL")


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
