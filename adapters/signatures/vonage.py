"""Vonage's signed requests: a JWT under the account's signature secret, on WebSockets and on requests for an NCCO.

``Authorization: Bearer`` carries a JWT (RFC 7519) of HS256 with ``iat``, ``jti``, ``api_key``, ``application_id`` and,
on a request with content, ``payload_hash``: the SHA-256, in hexadecimal, of the body of a POST, or of the query of a
GET written as compact JSON in its own order. A WebSocket bears one where its NCCO says ``authorization: {"type":
"vonage"}``.

Sources: https://developer.vonage.com/en/getting-started/concepts/webhooks#decoding-signed-webhooks,
https://api.support.vonage.com/hc/en-us/articles/19033783342876
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Collection, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import jwt

from adapters.signatures.base import RequestAuth, SignedRequest, credential, same
from models.errors import Unauthorized

WINDOW_S: Final = 300.0
"""How old a JWT may be, and how far in the future it may have been made, seconds."""

_ALGORITHM: Final = "HS256"
# The moment is an argument here, so the library's own clock decides nothing.
_OPTIONS: Final[Any] = {
    "require": ["iat"],
    **dict.fromkeys(("verify_exp", "verify_iat", "verify_nbf", "verify_aud", "verify_iss", "verify_sub"), False),
    "verify_jti": False,
}


def payload_hash(request: SignedRequest) -> str:
    """Return the hash of a request's content, in hexadecimal."""
    if request.method == "POST":
        return hashlib.sha256(request.body).hexdigest()
    query = dict(parse_qsl(urlsplit(request.url).query, keep_blank_values=True))
    content = json.dumps(query, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


class VonageJwt(RequestAuth):
    """Vonage's signed requests.

    Args:
        signature_secret: The account's signature secret.
        protocols: Names of the media protocols that it covers.
        application_id: The only application whose requests are taken; '' for any of the account.
    """

    name = "Vonage JWT"
    exclusive = False

    def __init__(self, signature_secret: str, protocols: Collection[str] = (), application_id: str = "") -> None:
        super().__init__(protocols)
        self._secret = signature_secret
        self._application_id = application_id

    def presented(self, request: SignedRequest) -> bool:
        """Say whether there is a JWT."""
        return bool(credential(request, "bearer"))

    def check(self, request: SignedRequest, now_s: float) -> None:
        """Do nothing when the JWT is signed, fresh, of the application, and for this content."""
        token = credential(request, "bearer")
        if not token:
            raise Unauthorized("the JWT is missing")
        claims = self._claims(token)
        _check_moment(claims, now_s)
        application = claims.get("application_id")
        if self._application_id and application is not None and application != self._application_id:
            raise Unauthorized("the JWT is of another application")
        # A WebSocket has no content; what it is for stands in its path.
        hashed = None if request.url.startswith("ws") else claims.get("payload_hash")
        if hashed is not None and not (isinstance(hashed, str) and same(hashed.lower(), payload_hash(request))):
            raise Unauthorized("the JWT is for another content")

    def _claims(self, token: str) -> Mapping[str, Any]:
        try:
            with warnings.catch_warnings():
                # How long a secret is, is the account's affair.
                warnings.simplefilter("ignore", jwt.InsecureKeyLengthWarning)
                return jwt.decode(token, self._secret, algorithms=[_ALGORITHM], options=_OPTIONS)
        except (jwt.PyJWTError, ValueError):
            raise Unauthorized("the JWT is not signed with the signature secret") from None


def _check_moment(claims: Mapping[str, Any], now_s: float) -> None:
    made, ends, begins = (claims.get(name) for name in ("iat", "exp", "nbf"))
    if not isinstance(made, int | float) or abs(now_s - made) > WINDOW_S:
        raise Unauthorized("the JWT is too old")
    if ends is not None and not (isinstance(ends, int | float) and now_s < ends):
        raise Unauthorized("the JWT has expired")
    if begins is not None and not (isinstance(begins, int | float) and begins <= now_s + WINDOW_S):
        raise Unauthorized("the JWT is not valid yet")
