"""Vobiz' signature V3: Plivo's, under names of its own and over less.

``X-Vobiz-Signature-V3`` (and ``-MA-V3``, with the main account's token) = base64 of HMAC-SHA256 over the URL without
its query, a full stop and the nonce of ``X-Vobiz-Signature-V3-Nonce``. Neither query nor form is signed, so who has
seen one request may send another to the same URL: the token in the path of a media stream is what each connection has
of its own.

Source: https://docs.vobiz.ai/concepts/validating-callbacks
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from adapters.signatures.base import RequestAuth, SignedRequest, any_same
from adapters.signatures.plivo import mac, spellings
from models.errors import Unauthorized

HEADERS: Final = ("x-vobiz-signature-v3", "x-vobiz-signature-ma-v3")
"""Where signatures stand, lower case: of the account itself and of its main account."""
NONCE_HEADER: Final = "x-vobiz-signature-v3-nonce"


def sign(auth_token: str, url: str, nonce: str) -> str:
    """Make the signature of a request.

    Args:
        auth_token: The account's auth token.
        url: Public URL as dialled.
        nonce: Value of the nonce's header.

    Returns:
        The value of the header.
    """
    return mac(auth_token, f"{url.partition('?')[0]}.{nonce}")


class VobizSignature(RequestAuth):
    """Vobiz' signature V3.

    Args:
        auth_token: The auth token of the account, or of its main account.
        protocols: Names of the media protocols that it covers.
    """

    name = "Vobiz signature V3"

    def __init__(self, auth_token: str, protocols: Collection[str] = ()) -> None:
        super().__init__(protocols)
        self._auth_token = auth_token

    def presented(self, request: SignedRequest) -> bool:
        """Say whether a signature is there."""
        return any(name in request.headers for name in HEADERS)

    def check(self, request: SignedRequest, now_s: float) -> None:
        """Do nothing when a signature fits the URL and the nonce."""
        del now_s
        nonce = request.headers.get(NONCE_HEADER, "")
        given = [it.strip() for name in HEADERS for it in request.headers.get(name, "").split(",") if it.strip()]
        if not given or not nonce:
            raise Unauthorized("the request is not signed")
        if not any_same(given, [sign(self._auth_token, url, nonce) for url in spellings(request.url)]):
            raise Unauthorized("the signature does not fit this URL")
