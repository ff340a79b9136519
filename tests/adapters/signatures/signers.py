"""Phone systems' side of every authentication: what each would send, made by their own packages where there are any."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from plivo.utils.signature_v3 import construct_get_url, get_signature_v3  # type: ignore[import-untyped]
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from adapters.media.telnyx import TOKEN_HEADER
from adapters.signatures.audiohook import AudioHookSignature
from adapters.signatures.base import RequestAuth
from adapters.signatures.basic import BasicCredentials
from adapters.signatures.bearer import BearerKey
from adapters.signatures.plivo import PlivoSignature
from adapters.signatures.twilio import TwilioSignature
from adapters.signatures.vobiz import VobizSignature
from adapters.signatures.vonage import VonageJwt

NOW_S = 1_760_000_000.0
NONCE = "09876543210987654321"
SECRET = "a-secret-of-more-than-thirty-two-bytes"
OTHER = "another-secret-of-more-than-32-bytes"
USER_PASSWORD = f"pbx:{SECRET}:with:colons"
API_KEY = "SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh"
CLIENT_SECRET = b64encode(SECRET.encode()).decode()

Headers = dict[str, str]
_AUDIOHOOK = ("audiohook-organization-id", "audiohook-session-id", "audiohook-correlation-id")


def audiohook_headers(url: str, now_s: float, secret: bytes, *, nonce: str = "", **changes: Any) -> Headers:
    """What an AudioHook client sends, its signature put together as RFC 9421 has it."""
    parts = urlsplit(url)
    headers = {name: f"value of {name}" for name in _AUDIOHOOK} | {"x-api-key": API_KEY}
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    values = {"@request-target": target, "@authority": parts.netloc, **headers}
    covered = changes.pop("covered", [*values])
    given = {
        "keyid": API_KEY,
        "nonce": nonce or b64encode(hashlib.sha256(f"{url}{now_s}".encode()).digest()).decode(),
        "alg": "hmac-sha256",
        "created": int(now_s),
        "expires": int(now_s) + 10,
    } | changes
    written = [f'{name}="{it}"' if isinstance(it, str) else f"{name}={it}" for name, it in given.items() if it != ""]
    inner = ";".join(["(" + " ".join(f'"{name}"' for name in covered) + ")", *written])
    base = "\n".join([*(f'"{name}": {values[name]}' for name in covered), f'"@signature-params": {inner}'])
    value = b64encode(hmac.digest(secret, base.encode(), "sha256")).decode()
    return {**headers, "signature-input": f"sig1={inner}", "signature": f"sig1=:{value}:"}


def vonage_headers(now_s: float, secret: str, **claims: Any) -> Headers:
    """What Vonage sends."""
    given = {"iat": int(now_s), "jti": "1", "iss": "Vonage", "application_id": "app", "api_key": "k", **claims}
    return {"authorization": "Bearer " + jwt.encode(given, secret, algorithm="HS256")}


def plivo_headers(url: str, secret: str, *, account: str = "") -> Headers:
    """What Plivo sends on a WebSocket."""
    text = construct_get_url(url, {}).decode()
    signature = get_signature_v3(secret.encode(), text, NONCE.encode()).decode()
    return {f"x-plivo-signature-{account}v3": signature, "x-plivo-signature-v3-nonce": NONCE}


def vobiz_headers(url: str, secret: str) -> Headers:
    """What Vobiz sends, by its own description."""
    signed = f"{url.partition('?')[0]}.{NONCE}".encode()
    value = b64encode(hmac.digest(secret.encode(), signed, "sha256")).decode()
    return {"x-vobiz-signature-v3": value, "x-vobiz-signature-v3-nonce": NONCE}


def basic_headers(user_password: str) -> Headers:
    """HTTP Basic (RFC 7617)."""
    return {"authorization": "Basic " + b64encode(user_password.encode()).decode()}


@dataclass(frozen=True)
class Signer:
    """One phone system's way to prove who it is.

    Attributes:
        name: For the test's name.
        protocols: The media protocols that it covers.
        settings: The settings that ask for it.
        make: Makes the scheme.
        headers: Makes the headers of a request for a URL at a moment, with the right secret or a wrong one.
        bound: Whether it holds for one URL only.
        window_s: How long it holds, seconds; None for ever.
        once: Whether it is taken but once.
    """

    name: str
    protocols: tuple[str, ...]
    settings: Mapping[str, str]
    make: Callable[[], RequestAuth]
    headers: Callable[[str, float, bool], Headers]
    bound: bool = False
    window_s: float | None = None
    once: bool = False


def _secret(right: bool) -> str:
    return SECRET if right else OTHER


def _basic(name: str, setting: str, *protocols: str) -> Signer:
    return Signer(
        name,
        protocols,
        {setting: USER_PASSWORD},
        lambda: BasicCredentials(USER_PASSWORD, protocols),
        lambda _url, _now_s, right: basic_headers(USER_PASSWORD if right else f"pbx:{OTHER}"),
    )


SIGNERS = (
    Signer(
        "twilio",
        ("twilio",),
        {"twilio_auth_token": SECRET},
        lambda: TwilioSignature(SECRET, {"twilio"}),
        lambda url, _, right: {"x-twilio-signature": RequestValidator(_secret(right)).compute_signature(url, {})},
        bound=True,
    ),
    Signer(
        "plivo",
        ("plivo",),
        {"plivo_auth_token": SECRET},
        lambda: PlivoSignature(SECRET, {"plivo"}),
        lambda url, _, right: plivo_headers(url, _secret(right)),
        bound=True,
    ),
    Signer(
        "plivo-main-account",
        ("plivo",),
        {"plivo_auth_token": SECRET},
        lambda: PlivoSignature(SECRET, {"plivo"}),
        lambda url, _, right: plivo_headers(url, _secret(right), account="ma-"),
        bound=True,
    ),
    Signer(
        "vobiz",
        ("vobiz",),
        {"vobiz_auth_token": SECRET},
        lambda: VobizSignature(SECRET, {"vobiz"}),
        lambda url, _, right: vobiz_headers(url, _secret(right)),
        bound=True,
    ),
    Signer(
        "vobiz-as-plivo",
        ("vobiz",),
        {"vobiz_auth_token": SECRET},
        lambda: PlivoSignature(SECRET, {"vobiz"}),
        lambda url, _, right: plivo_headers(url, _secret(right)),
        bound=True,
    ),
    Signer(
        "vonage",
        ("vonage",),
        {"vonage_signature_secret": SECRET},
        lambda: VonageJwt(SECRET, {"vonage"}),
        lambda _url, now_s, right: vonage_headers(now_s, _secret(right)),
        window_s=300,
    ),
    Signer(
        "audiohook",
        ("genesys",),
        {"genesys_api_key": API_KEY, "genesys_client_secret": CLIENT_SECRET},
        lambda: AudioHookSignature(API_KEY, CLIENT_SECRET, {"genesys"}),
        lambda url, now_s, right: audiohook_headers(url, now_s, _secret(right).encode()),
        bound=True,
        window_s=10,
        once=True,
    ),
    Signer(
        "audiohook-key-alone",
        ("genesys",),
        {"genesys_api_key": API_KEY},
        lambda: BearerKey(API_KEY, {"genesys"}, headers=("x-api-key",)),
        lambda _url, _now_s, right: {"x-api-key": API_KEY if right else OTHER},
    ),
    Signer(
        "signalwire",
        ("signalwire",),
        {"signalwire_stream_token": SECRET},
        lambda: BearerKey(SECRET, {"signalwire"}),
        lambda _url, _now_s, right: {"authorization": f"Bearer {_secret(right)}"},
    ),
    Signer(
        "telnyx",
        ("telnyx",),
        {"telnyx_stream_token": SECRET},
        lambda: BearerKey(SECRET, {"telnyx"}, headers=(TOKEN_HEADER, "authorization")),
        lambda _url, _now_s, right: {"authorization": f"Bearer {_secret(right)}"},
    ),
    Signer(
        "telnyx-bare",
        ("telnyx",),
        {"telnyx_stream_token": SECRET},
        lambda: BearerKey(SECRET, {"telnyx"}, headers=(TOKEN_HEADER, "authorization")),
        lambda _url, _now_s, right: {"authorization": _secret(right)},
    ),
    Signer(
        "telnyx-own-header",
        ("telnyx",),
        {"telnyx_stream_token": SECRET},
        lambda: BearerKey(SECRET, {"telnyx"}, headers=(TOKEN_HEADER, "authorization")),
        lambda _url, _now_s, right: {TOKEN_HEADER: _secret(right)},
    ),
    _basic("exotel", "exotel_basic", "exotel"),
    _basic("asterisk", "asterisk_basic", "asterisk"),
    _basic("jambonz", "jambonz_basic", "jambonz"),
    _basic("freeswitch", "freeswitch_basic", "mod_audio_fork", "mod_audio_stream"),
)

TELNYX_KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"telnyx").digest())
TELNYX_PUBLIC_KEY = b64encode(TELNYX_KEY.public_key().public_bytes_raw()).decode()


def telnyx_headers(body: bytes, now_s: float, key: Ed25519PrivateKey = TELNYX_KEY) -> Headers:
    """What Telnyx sends with a webhook."""
    timestamp = str(int(now_s))
    signature = key.sign(timestamp.encode() + b"|" + body)
    return {"telnyx-timestamp": timestamp, "telnyx-signature-ed25519": b64encode(signature).decode()}
