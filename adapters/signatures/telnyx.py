"""Telnyx' signature on requests for TeXML and on webhooks.

``telnyx-signature-ed25519`` = base64 of the Ed25519 signature of the value of ``telnyx-timestamp`` (seconds since
1970), a ``|`` and the body as it came, by the key whose public half the portal shows as base64.

Source: https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks#webhook-signing
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Collection
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from adapters.signatures.base import RequestAuth, SignedRequest
from models.errors import InvalidField, Unauthorized

HEADER: Final = "telnyx-signature-ed25519"
TIMESTAMP_HEADER: Final = "telnyx-timestamp"

WINDOW_S: Final = 300.0
"""How far from now a request may have been signed, seconds."""


class TelnyxSignature(RequestAuth):
    """Telnyx' Ed25519 signature.

    Args:
        public_key: The public key as base64.
        protocols: Names of the media protocols that it covers.

    Raises:
        InvalidField: ``telnyx_public_key``: it is no such key.
    """

    name = "Telnyx signature"

    def __init__(self, public_key: str, protocols: Collection[str] = ()) -> None:
        super().__init__(protocols)
        try:
            self._key = Ed25519PublicKey.from_public_bytes(b64decode(public_key, validate=True))
        except (binascii.Error, ValueError):
            raise InvalidField("telnyx_public_key", "must be the base64 of an Ed25519 key") from None

    def presented(self, request: SignedRequest) -> bool:
        """Say whether a signature is there."""
        return HEADER in request.headers

    def check(self, request: SignedRequest, now_s: float) -> None:
        """Do nothing when the signature fits body and moment, and the moment is not long ago."""
        timestamp = request.headers.get(TIMESTAMP_HEADER, "")
        given = request.headers.get(HEADER, "")
        if not given or not timestamp:
            raise Unauthorized("the request is not signed")
        # Of ASCII digits alone, and not so many that a number of them is too large.
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
            raise Unauthorized("the request does not say when it was signed")
        if abs(now_s - int(timestamp)) > WINDOW_S:
            raise Unauthorized("the signature is too old")
        try:
            self._key.verify(b64decode(given, validate=True), f"{timestamp}|".encode() + request.body)
        except (binascii.Error, ValueError, InvalidSignature):
            raise Unauthorized("the signature does not fit this request") from None
