"""Genesys AudioHook's signature on the WebSocket upgrade request: HTTP message signatures with HMAC-SHA256.

``Signature-Input`` and ``Signature`` are structured fields (RFC 8941) as in the drafts of RFC 9421. AudioHook covers
the request's target, its authority, its own three headers and ``X-API-KEY``, which is the ``keyid`` too; the key is the
client secret, decoded from base64. A signature is good for ten seconds, and once: its nonce is remembered for so long.

Sources: https://developer.genesys.cloud/devapps/audiohook/session-walkthrough#establishing-connection,
https://github.com/purecloudlabs/audiohook-reference-implementation
"""

from __future__ import annotations

import binascii
import hmac
from base64 import b64decode
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import http_sf

from adapters.signatures.base import RequestAuth, SignedRequest, same
from adapters.signatures.nonces import NonceMemory
from models.errors import InvalidField, Unauthorized

HEADER: Final = "signature"
INPUT_HEADER: Final = "signature-input"
KEY_HEADER: Final = "x-api-key"

MAX_AGE_S: Final = 10.0
"""How old a signature may be, seconds."""
MAX_SKEW_S: Final = 3.0
"""How far the other side's clock may be ahead, seconds."""
MIN_NONCE: Final = 22
"""Characters of the shortest nonce: 128 bits as base64."""

COVERED: Final = frozenset(
    {
        "@request-target",
        "@authority",
        "audiohook-organization-id",
        "audiohook-session-id",
        "audiohook-correlation-id",
        KEY_HEADER,
    }
)
"""What a signature must cover at least."""

_PARAMETERS: Final = frozenset({"alg", "created", "expires", "keyid", "nonce"})
_ALGORITHM: Final = "hmac-sha256"
_DEFAULT_PORTS: Final = {"http": 80, "ws": 80, "https": 443, "wss": 443}


@dataclass(frozen=True, slots=True)
class _Signature:
    """One signature of a request.

    Attributes:
        components: What it covers, in order.
        parameters: Its parameters.
        written: Components and parameters as they are signed.
        value: The signature itself.
    """

    components: tuple[str, ...]
    parameters: Mapping[str, Any]
    written: str
    value: bytes


class AudioHookSignature(RequestAuth):
    """AudioHook's signature with one API key.

    Args:
        api_key: The only ``X-API-KEY`` that is taken; '' for whatever is signed.
        client_secret: Client secret of the integration, base64.
        protocols: Names of the media protocols that it covers.

    Raises:
        InvalidField: ``genesys_client_secret``: it is no base64, or empty.
    """

    name = "AudioHook signature"

    def __init__(self, api_key: str, client_secret: str, protocols: Collection[str] = ()) -> None:
        super().__init__(protocols)
        self._api_key = api_key
        try:
            self._secret = b64decode(client_secret, validate=True)
        except (binascii.Error, ValueError):
            self._secret = b""
        if not self._secret:
            raise InvalidField("genesys_client_secret", "must be base64")
        self._nonces = NonceMemory(MAX_AGE_S + MAX_SKEW_S)

    def presented(self, request: SignedRequest) -> bool:
        """Say whether a signature is there."""
        return HEADER in request.headers or INPUT_HEADER in request.headers

    def check(self, request: SignedRequest, now_s: float) -> None:
        """Do nothing when a signature fits the request, is fresh, and was not seen before."""
        if not self.presented(request):
            raise Unauthorized("the request is not signed")
        signature = _read(request)
        nonce = self._check_parameters(request, signature, now_s)
        right = hmac.digest(self._secret, _base(request, signature), "sha256")
        if not hmac.compare_digest(right, signature.value):
            raise Unauthorized("the signature does not fit this request")
        if not self._nonces.first_time(nonce, now_s):
            raise Unauthorized("the signature was seen before")

    def _check_parameters(self, request: SignedRequest, signature: _Signature, now_s: float) -> str:
        given = signature.parameters
        key_id, nonce, created, expires = (given.get(name) for name in ("keyid", "nonce", "created", "expires"))
        if COVERED - set(signature.components):
            raise Unauthorized("the signature does not cover all that it must")
        if given.get("alg", _ALGORITHM) != _ALGORITHM or not isinstance(key_id, str):
            raise Unauthorized("the signature is of another kind")
        if not same(key_id, request.headers.get(KEY_HEADER, "")) or (self._api_key and not same(key_id, self._api_key)):
            raise Unauthorized("the API key is wrong")
        if not isinstance(nonce, str) or len(nonce) < MIN_NONCE:
            raise Unauthorized("the signature has no nonce")
        if not isinstance(created, int) or not -MAX_SKEW_S <= now_s - created <= MAX_AGE_S:
            raise Unauthorized("the signature is too old")
        if expires is not None and not (isinstance(expires, int) and now_s < expires):
            raise Unauthorized("the signature has expired")
        return nonce


def _read(request: SignedRequest) -> _Signature:
    """Read the first signature of a request.

    Raises:
        Unauthorized: There is none that could be read.
    """
    try:
        inputs = _dictionary(request, INPUT_HEADER)
        values = _dictionary(request, HEADER)
        label, (components, parameters) = next(iter(inputs.items()))
        names = tuple(name for name, _ in components)
        value, _ = values[label]
        # Written anew from what was understood, so that nothing is signed that was not looked at.
        written = http_sf.ser({label: inputs[label]}).removeprefix(f"{label}=")
    except (ValueError, TypeError, KeyError, StopIteration):
        raise Unauthorized("the signature cannot be read") from None
    odd = any(options for _, options in components) or len(set(names)) != len(names)
    if odd or not parameters.keys() <= _PARAMETERS or not isinstance(value, bytes):
        raise Unauthorized("the signature cannot be read")
    if not all(isinstance(name, str) for name in names):
        raise Unauthorized("the signature cannot be read")
    return _Signature(names, parameters, written, value)


def _dictionary(request: SignedRequest, header: str) -> dict[str, Any]:
    parsed = http_sf.parse(request.headers.get(header, "").encode("ascii"), tltype="dictionary")
    if not isinstance(parsed, dict):
        raise TypeError
    return parsed


def _base(request: SignedRequest, signature: _Signature) -> bytes:
    """Put together what was signed (RFC 9421, section 2.5)."""
    lines = [f'"{name}": {_component(request, name)}' for name in signature.components]
    lines.append(f'"@signature-params": {signature.written}')
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def _component(request: SignedRequest, name: str) -> str:
    if name == "@request-target":
        parts = urlsplit(request.url)
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if name == "@authority":
        return _authority(request.url)
    value = request.headers.get(name, "").strip()
    if name.startswith("@") or not value:
        raise Unauthorized("the signature covers what is not there")
    return value


def _authority(url: str) -> str:
    """Return host and port, the port of the scheme left out (RFC 9421, section 2.2.3)."""
    parts = urlsplit(url)
    netloc = parts.netloc.rpartition("@")[2].lower()
    return netloc.removesuffix(f":{_DEFAULT_PORTS.get(parts.scheme)}")
