"""A shared key in the header ``Authorization: Bearer`` (RFC 6750), or in a header of the system's own.

SignalWire sends the ``authBearerToken`` of its ``<Stream>`` so, Cloudonix the key of the domain with its requests for
CXML (or in ``X-CX-APIKey``), and Genesys its API key in ``X-API-KEY``. Telnyx documents no header for its
``stream_auth_token``; servers in use read ``X-Telnyx-Streaming-Auth-Token``, older ones ``Authorization`` with the bare
token, so all three are taken there.

Sources: https://signalwire.com/docs/compatibility-api/cxml/reference/voice/stream,
https://developers.cloudonix.com/opbx/cloudonix/webhook-configuration
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from adapters.signatures.base import RequestAuth, SignedRequest, any_same, credential
from models.errors import Unauthorized


class BearerKey(RequestAuth):
    """One shared key.

    Args:
        key: The key.
        protocols: Names of the media protocols that it covers.
        headers: Further headers that may hold the key and nothing else, lower case.
    """

    name = "Bearer"
    exclusive = False

    def __init__(self, key: str, protocols: Collection[str] = (), headers: Sequence[str] = ()) -> None:
        super().__init__(protocols)
        self._key = key
        self._headers = tuple(headers)

    def presented(self, request: SignedRequest) -> bool:
        """Say whether there is a key."""
        return bool(self._given(request))

    def check(self, request: SignedRequest, now_s: float) -> None:
        """Do nothing when the key is the right one."""
        del now_s
        given = self._given(request)
        if not given:
            raise Unauthorized("the bearer token is missing")
        if not any_same(given, [self._key]):
            raise Unauthorized("the bearer token is wrong")

    def _given(self, request: SignedRequest) -> list[str]:
        found = [credential(request, "bearer"), *(request.headers.get(name, "") for name in self._headers)]
        return [key for key in found if key]
