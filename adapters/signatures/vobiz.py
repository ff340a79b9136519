"""Vobiz' signature V3: Plivo's, under names of its own and over less.

``X-Vobiz-Signature-V3`` (and ``-MA-V3``, with the main account's token) = base64 of HMAC-SHA256 over the URL without
its query, a full stop and the nonce of ``X-Vobiz-Signature-V3-Nonce``. Neither query nor form is signed, so who has
seen one request may send another to the same URL: the token in the path of a media stream is what each connection has
of its own.

Source: https://docs.vobiz.ai/concepts/validating-callbacks
"""

from __future__ import annotations

from typing import Final

from adapters.signatures.base import SignedRequest
from adapters.signatures.plivo import PlivoSignature, mac

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


class VobizSignature(PlivoSignature):
    """Vobiz' signature V3.

    Args:
        auth_token: The auth token of the account, or of its main account.
        protocols: Names of the media protocols that it covers.
    """

    name = "Vobiz signature V3"
    headers = HEADERS
    nonce_header = NONCE_HEADER

    def sign(self, request: SignedRequest, url: str, nonce: str) -> str:
        """Make the signature of a request to one spelling of its URL."""
        del request
        return sign(self._auth_token, url, nonce)
