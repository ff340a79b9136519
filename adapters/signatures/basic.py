"""HTTP Basic authentication (RFC 7617), as Asterisk, Exotel, jambonz and FreeSWITCH dial a WebSocket with it."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Collection

from adapters.signatures.base import RequestAuth, SignedRequest, credential, same
from models.errors import Unauthorized


class BasicCredentials(RequestAuth):
    """One user with a password.

    Args:
        user_password: ``USER:PASSWORD``.
        protocols: Names of the media protocols that it covers.
    """

    name = "Basic"
    exclusive = False

    def __init__(self, user_password: str, protocols: Collection[str] = ()) -> None:
        super().__init__(protocols)
        self._user_password = user_password

    def presented(self, request: SignedRequest) -> bool:
        """Say whether there is a user with a password."""
        return bool(credential(request, "basic"))

    def check(self, request: SignedRequest, now_s: float) -> None:
        """Do nothing when user and password are the right ones."""
        del now_s
        given = credential(request, "basic")
        if not given:
            raise Unauthorized("user and password are missing")
        try:
            decoded = b64decode(given, validate=True).decode()
        except (binascii.Error, ValueError):
            raise Unauthorized("user and password cannot be read") from None
        if not same(decoded, self._user_password):
            raise Unauthorized("the user or the password is wrong")
