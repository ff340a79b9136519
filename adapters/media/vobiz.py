"""Vobiz audio streams, as the server of a ``<Stream bidirectional="true">``: Plivo's protocol with four differences.

``playAudio`` carries the stream id as every other command, there is no ``sendDTMF``, ``playedStream`` comes without a
stream id, and ``stop`` ends the stream: the XML behind ``<Stream>`` runs, and without any the call is hung up. A closed
socket may be dialled again where the stream has ``maxRetries``; a stopped one is not. Its messages do not tell it from
Plivo, so that a URL for it carries ``protocol=vobiz``.

Source: https://docs.vobiz.ai/xml/stream/stream-events
"""

from __future__ import annotations

from typing import ClassVar

from adapters.media.base import Handshake, MarkPolicy, MediaCapabilities, Message
from adapters.media.plivo import PlivoProtocol


class VobizProtocol(PlivoProtocol):
    """One Vobiz audio stream; see `PlivoProtocol`."""

    name: ClassVar[str] = "vobiz"
    label: ClassVar[str] = "Vobiz audio streams"
    capabilities: ClassVar[MediaCapabilities] = MediaCapabilities(
        marks=MarkPolicy.PLAYED_ONLY, flush=True, hangup_in_band=True
    )
    audio_names_stream: ClassVar[bool] = True

    @classmethod
    def matches_handshake(cls, handshake: Handshake) -> bool:
        """Say whether Vobiz signed the upgrade request."""
        return any(name.startswith("x-vobiz-signature") for name in handshake.headers)

    @classmethod
    def matches_message(cls, message: Message) -> bool:
        """Never: Plivo begins in the same way."""
        del message
        return False

    def send_dtmf(self, digits: str) -> list[Message]:
        """Nothing: Vobiz documents no digits in this direction."""
        del digits
        return []

    def send_hangup(self) -> list[Message]:
        """Stop the stream, and with it the call where no more XML follows."""
        return self._text(f'{{"event":"stop","streamId":{self._stream_json}}}')
