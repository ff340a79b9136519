"""Google's service accounts: keys as the console gives them out, and what Google checks about the tokens they sign.

Written after https://google.aip.dev/auth/4111 (self-signed tokens) and
https://developers.google.com/identity/protocols/oauth2/service-account#jwt-auth.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.standins.grpc_base import GrpcCall, GrpcError, GrpcStandIn

_SKEW_S = 60
_LONGEST_S = 3600


@lru_cache
def service_account(name: str = "aicall", project: str = "stand-in-project") -> str:
    """The JSON of a service account's key, the same for the same arguments within a process.

    Args:
        name: The account's name.
        project: Its project.
    """
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    email = f"{name}@{project}.iam.gserviceaccount.com"
    return json.dumps(
        {
            "type": "service_account",
            "project_id": project,
            "private_key_id": f"{name}-key-1",
            "private_key": pem.decode(),
            "client_email": email,
            "client_id": "100000000000000000001",
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": "https://oauth2.googleapis.com/token",
            "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
            "client_x509_cert_url": f"https://www.googleapis.com/robot/v1/metadata/x509/{email}",
            "universe_domain": "googleapis.com",
        }
    )


def check_token(token: str, audience: str, accounts: Iterable[str]) -> None:
    """Check a token as Google does.

    Args:
        token: The JWT.
        audience: The API that was called.
        accounts: The JSON of each account that may call it.

    Raises:
        GrpcError: With status 401: the token is malformed, of another account, for another API, not signed by the
            account's key, has expired, or is valid for longer than an hour.
    """
    try:
        signed, _, signature = token.rpartition(".")
        header, claims = (_decode(part) for part in signed.split("."))
    except ValueError:
        raise GrpcError(401, reason="ACCESS_TOKEN_TYPE_UNSUPPORTED") from None
    # A key of another kind, which somebody accepts of all stand-ins, is nobody's account.
    known = {it["client_email"]: it for it in (json.loads(it) for it in accounts if it.startswith("{"))}
    account = known.get(claims.get("iss"))
    if account is None or header.get("alg") != "RS256" or header.get("kid") != account["private_key_id"]:
        raise GrpcError(401, reason="ACCOUNT_STATE_INVALID")
    key = serialization.load_pem_private_key(account["private_key"].encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    try:
        key.public_key().verify(_bytes(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise GrpcError(401, reason="ACCESS_TOKEN_TYPE_UNSUPPORTED") from None
    if claims.get("sub") != claims["iss"] or claims.get("aud") != audience:
        raise GrpcError(401, reason="ACCESS_TOKEN_TYPE_UNSUPPORTED")
    now_s = time.time()
    begins_s, ends_s = claims.get("iat", 0), claims.get("exp", 0)
    if begins_s > now_s + _SKEW_S or ends_s < now_s - _SKEW_S or ends_s - begins_s > _LONGEST_S:
        raise GrpcError(401, reason="ACCESS_TOKEN_EXPIRED")


class GoogleStandIn(GrpcStandIn):
    """A gRPC API of Google's, whose ``keys`` are the JSON of service accounts: `service_account` unless told otherwise.

    None accepts any account that shows a bearer token.
    """

    AUDIENCE: str
    """The audience of its tokens, for example ``https://texttospeech.googleapis.com/``."""

    def __init__(self, **common: Any) -> None:
        super().__init__(**{"keys": (service_account(),)} | common)

    def check_key(self, call: GrpcCall) -> None:
        """Check the token in ``authorization``."""
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not token:
            raise GrpcError(401, reason="CREDENTIALS_MISSING")
        if self.keys is not None:
            check_token(token, self.AUDIENCE, self.keys)


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _decode(text: str) -> dict[str, Any]:
    fields = json.loads(_bytes(text))
    if not isinstance(fields, dict):
        raise ValueError
    return fields
