"""Documents that a phone system fetches to be told what to do with a call.

Some phone systems take no instructions in a request, only a URL to fetch them from. The whole document stands in that
URL, encrypted and signed (https://github.com/fernet/spec), so that any process of any server can answer for another.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from adapters.callcontrol.base import Leg
from models.errors import NotFound, ToolFailed

PATH = "/callcontrol/documents"
"""Under which the documents are served."""
LIFETIME_S = 300
"""How long a link can be followed, seconds."""
_SEPARATORS = re.compile(r"[\s,]+")


@dataclass(frozen=True, slots=True)
class Instructions:
    """A document.

    Attributes:
        media_type: Its media type.
        body: Its text.
    """

    media_type: str
    body: str


class DocumentLinks:
    """Makes links to documents, and reads them.

    Args:
        secret_key: The process's Fernet keys, separated by commas or white space; the first makes links.
        public_url: URL under which phone systems reach this server; '' to take it from each call.
        clock: Returns the present moment, seconds since 1970.
    """

    def __init__(self, secret_key: str, public_url: str, *, clock: Callable[[], float]) -> None:
        keys = [it for it in _SEPARATORS.split(secret_key) if it]
        # Keys of their own: nothing that is stored can be passed off as a link, or a link as something stored.
        self._box = MultiFernet(
            [Fernet(base64.urlsafe_b64encode(hashlib.sha256(f"documents:{it}".encode()).digest())) for it in keys]
        )
        scheme, separator, rest = public_url.rstrip("/").partition("://")
        self._public_url = f"{'https' if scheme in {'https', 'wss'} else 'http'}://{rest}" if separator else ""
        self._clock = clock

    def link(self, leg: Leg, instructions: Instructions) -> str:
        """Return the URL of a document, which can be fetched for `LIFETIME_S`.

        Raises:
            ToolFailed: It is not known how the phone system reaches this server.
        """
        base_url = self._public_url or leg.server_url
        if not base_url:
            raise ToolFailed("the phone system cannot be told what to do: the server has no public URL")
        text = json.dumps([instructions.media_type, instructions.body], ensure_ascii=False, separators=(",", ":"))
        token = self._box.encrypt_at_time(text.encode(), int(self._clock()))
        # Without the padding, which not everybody leaves alone in a URL.
        return f"{base_url}{PATH}/{token.decode().rstrip('=')}"

    def read(self, token: str) -> Instructions:
        """Return the document of a link.

        Raises:
            NotFound: There is none: the link is not of this server, or too old.
        """
        padded = token + "=" * (-len(token) % 4)
        try:
            text = self._box.decrypt_at_time(padded.encode(), LIFETIME_S, int(self._clock()))
        except (InvalidToken, ValueError):
            raise NotFound("document", "") from None
        media_type, body = json.loads(text)
        return Instructions(media_type, body)
