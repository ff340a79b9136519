"""Media tokens: what a phone system shows to be let in. Only their hash is ever kept (design section 2, "Media")."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from uuid import UUID

TOKEN_BYTES = 32

_UUID_BYTES = 16
_RANDOM_UUID = 4


def new_token() -> str:
    """Make a token of 256 random bits, safe in a URL path (43 characters of base64url)."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def hash_token(token: str) -> bytes:
    """Return the SHA-256 of a token, 32 bytes. A plain hash is enough for 256 random bits."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def verify_token(token: str, token_sha256: bytes) -> bool:
    """Say whether a token has this hash, in a time that does not depend on how nearly it has."""
    return hmac.compare_digest(hash_token(token), token_sha256)


def audiosocket_uuid(token: str) -> UUID:
    """Return what stands for a token where only a UUID can be carried: 122 bits of its hash, as a random UUID."""
    return UUID(bytes=hash_token(f"audiosocket:{token}")[:_UUID_BYTES], version=_RANDOM_UUID)


def hash_audiosocket_uuid(uuid: UUID) -> bytes:
    """Return the SHA-256 of such a UUID's bytes, 32 bytes, which is all that is kept of it."""
    return hashlib.sha256(uuid.bytes).digest()
