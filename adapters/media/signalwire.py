"""SignalWire media streams, as the server of a bidirectional cXML ``<Connect><Stream>``.

The messages of Twilio Media Streams, with µ-law at 8000 Hz or, by ``codec="L16@16000h"``, linear PCM at 16000 Hz. The
third codec, ``L16@24000h``, is refused. Messages after the start may lack the ``streamSid``. Digits can be sent, one a
message. ``clear`` echoes the pending marks. The byte order of L16 is not documented; it is taken as little-endian. The
query of the URL is dropped, so that what the stream is told goes into ``<Parameter>``.

Source: https://signalwire.com/docs/compatibility-api/cxml/reference/voice/stream
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Final

from adapters.media import wire
from adapters.media.base import Handshake, MarkPolicy, MediaCapabilities, Message
from adapters.media.encodings import L16, PCMU, Encoding
from adapters.media.twilio import MULAW, TwilioProtocol, peek_start

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class SignalWireProtocol(TwilioProtocol):
    """One SignalWire media stream."""

    name: ClassVar[str] = "signalwire"
    label: ClassVar[str] = "SignalWire"
    capabilities: ClassVar[MediaCapabilities] = MediaCapabilities(marks=MarkPolicy.ECHOED, flush=True, dtmf_out=True)
    formats: ClassVar[Mapping[tuple[str, int], Encoding]] = MappingProxyType(
        {MULAW: PCMU, ("audio/x-l16", 16_000): L16}
    )
    formats_advice: ClassVar[str] = "the codec must be PCMU@8000h or L16@16000h, one channel"

    @classmethod
    def matches_handshake(cls, handshake: Handshake) -> bool:
        """Never: the upgrade request has nothing of SignalWire's own."""
        del handshake
        return False

    @classmethod
    def matches_message(cls, message: Message) -> bool:
        """Say whether this is a ``start`` in Twilio's form that Twilio does not send.

        Its account is a UUID, where Twilio's is ``AC`` and hexadecimal digits, or its media format is L16.
        """
        start = peek_start(message)
        if start is None:
            return False
        media_format = start.get("mediaFormat")
        encoding = media_format.get("encoding") if isinstance(media_format, dict) else None
        account = start.get("accountSid")
        return (isinstance(account, str) and _UUID.fullmatch(account) is not None) or (
            isinstance(encoding, str) and encoding.lower() == "audio/x-l16"
        )

    def send_dtmf(self, digits: str) -> list[Message]:
        """Send digits to the far end, one message each.

        Raises:
            InvalidField: Something beside ``0-9 * # A-D``.
        """
        wire.require_digits(digits)
        if not self._life.is_open:
            return []
        stream = self._stream_json
        return [f'{{"event":"dtmf","streamSid":{stream},"dtmf":{{"digit":"{digit}"}}}}' for digit in digits]
