"""Signing what this server posts to others: Standard Webhooks 1.0 (https://www.standardwebhooks.com), HMAC-SHA256."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from models.errors import InvalidField

SECRET_PREFIX = "whsec_"  # noqa: S105 - the beginning of a secret
"""Begins a secret that is written in base64."""

_VERSION = "v1"


def key_of(secret: bytes | str) -> bytes:
    """Return the bytes of a secret.

    Args:
        secret: The bytes themselves; or ``whsec_`` and their base64, as the standard writes them; or any other text,
            which stands for its UTF-8 bytes.

    Raises:
        InvalidField: It is empty, or what follows ``whsec_`` is no base64; names ``secret``.
    """
    if isinstance(secret, bytes):
        key = secret
    elif secret.startswith(SECRET_PREFIX):
        try:
            key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            raise InvalidField("secret", f"must be base64 after {SECRET_PREFIX}") from None
    else:
        key = secret.encode()
    if not key:
        raise InvalidField("secret", "must not be empty")
    return key


def sign(secret: bytes | str, message_id: str, timestamp_s: int, body: bytes) -> str:
    """Return the signature of a message, in the form of the header ``webhook-signature``.

    Args:
        secret: Shared with the receiver, in any form of `key_of`.
        message_id: Stable id of the message; a repeated delivery carries the same one.
        timestamp_s: When it is sent, seconds since 1970.
        body: The exact bytes that are sent.

    Raises:
        InvalidField: The secret cannot be read.
    """
    signed = f"{message_id}.{timestamp_s}.".encode() + body
    digest = hmac.new(key_of(secret), signed, hashlib.sha256).digest()
    return f"{_VERSION},{base64.b64encode(digest).decode()}"


def signature_headers(secret: bytes | str, message_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """Return the three headers of a signed message. Arguments and errors are those of `sign`."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": sign(secret, message_id, timestamp_s, body),
    }
