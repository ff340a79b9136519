"""Plivo's signature V3, on the WebSocket upgrade request and on requests for documents.

``X-Plivo-Signature-V3`` = base64 of HMAC-SHA256, keyed with the auth token of the account or sub-account, over the URL
with its query sorted, the sorted fields of a form, and the nonce of ``X-Plivo-Signature-V3-Nonce`` behind a full stop.
``X-Plivo-Signature-Ma-V3`` is the same with the main account's token. Either may hold several, with commas between.
Which scheme an audio stream's URL is signed with is not documented, so ``wss`` and ``https`` both fit.

Sources: https://www.plivo.com/docs/voice/concepts/signature-validation, the plivo package (``utils/signature_v3.py``)
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import ClassVar, Final
from urllib.parse import parse_qs, urlsplit

from adapters.signatures.base import RequestAuth, SignedRequest, any_same
from models.errors import Unauthorized

HEADERS: Final = ("x-plivo-signature-v3", "x-plivo-signature-ma-v3")
"""Where signatures stand, lower case: of the account itself and of its main account."""
NONCE_HEADER: Final = "x-plivo-signature-v3-nonce"

_SECURE: Final = {"ws": "http", "wss": "https"}


def sign(
    auth_token: str, method: str, url: str, nonce: str, params: Mapping[str, str | Sequence[str]] | None = None
) -> str:
    """Make the signature of a request.

    Args:
        auth_token: The account's auth token.
        method: ``GET`` or ``POST``.
        url: Public URL as dialled, query included.
        nonce: Value of the nonce's header.
        params: Fields of the form of a POST.

    Returns:
        The value of the header.
    """
    parts = urlsplit(url)
    text = f"{parts.scheme}://{parts.netloc}{parts.path}"
    query: dict[str, Sequence[str]] = dict(parse_qs(parts.query, keep_blank_values=True))
    form = {name: [given] if isinstance(given, str) else given for name, given in (params or {}).items()}
    if method == "GET":
        query, form = {**form, **query}, {}
    pairs = "&".join(f"{name}={value}" for name in sorted(query) for value in sorted(query[name]))
    if pairs or form:
        text += f"?{pairs}"
    if pairs and form:
        text += "."
    text += "".join(f"{name}{value}" for name in sorted(form) for value in sorted(form[name]))
    return mac(auth_token, f"{text}.{nonce}")


def mac(auth_token: str, text: str) -> str:
    """Return the base64 of the HMAC-SHA256 of a text."""
    key, message = (it.encode("utf-8", "surrogatepass") for it in (auth_token, text))
    return b64encode(hmac.digest(key, message, "sha256")).decode("ascii")


def spellings(url: str) -> Iterator[str]:
    """Yield a URL as it is, and one of a WebSocket as the HTTP request that it is."""
    yield url
    scheme, separator, rest = url.partition("://")
    if scheme in _SECURE:
        yield f"{_SECURE[scheme]}{separator}{rest}"


class PlivoSignature(RequestAuth):
    """Plivo's signature V3.

    Args:
        auth_token: The auth token of the account, or of its main account.
        protocols: Names of the media protocols that it covers.
    """

    name = "Plivo signature V3"
    headers: ClassVar[Sequence[str]] = HEADERS
    nonce_header: ClassVar[str] = NONCE_HEADER

    def __init__(self, auth_token: str, protocols: Collection[str] = ()) -> None:
        super().__init__(protocols)
        self._auth_token = auth_token

    def presented(self, request: SignedRequest) -> bool:
        """Say whether a signature is there."""
        return any(name in request.headers for name in self.headers)

    def check(self, request: SignedRequest, now_s: float) -> None:
        """Do nothing when a signature fits the URL, the form and the nonce."""
        del now_s
        nonce = request.headers.get(self.nonce_header, "")
        given = [it.strip() for name in self.headers for it in request.headers.get(name, "").split(",") if it.strip()]
        if not given or not nonce:
            raise Unauthorized("the request is not signed")
        try:
            right = [self.sign(request, url, nonce) for url in spellings(request.url)]
        except ValueError:
            raise Unauthorized("the signature does not fit this URL") from None
        if not any_same(given, right):
            raise Unauthorized("the signature does not fit this URL")

    def sign(self, request: SignedRequest, url: str, nonce: str) -> str:
        """Make the signature of a request to one spelling of its URL."""
        return sign(self._auth_token, request.method, url, nonce, request.form)
