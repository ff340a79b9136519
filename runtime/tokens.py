"""Media tokens: what a phone system shows to be let in. Only their hash is ever kept (design section 2, "Media")."""

from __future__ import annotations

import hashlib
import hmac
import secrets

TOKEN_BYTES = 32


def new_token() -> str:
    """Make a token of 256 random bits, safe in a URL path (43 characters of base64url)."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def hash_token(token: str) -> bytes:
    """Return the SHA-256 of a token, 32 bytes. A plain hash is enough for 256 random bits."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def verify_token(token: str, token_sha256: bytes) -> bool:
    """Say whether a token has this hash, in a time that does not depend on how nearly it has."""
    return hmac.compare_digest(hash_token(token), token_sha256)
