"""What the FreeSWITCH modules' side of a stream has in common: binary audio in frames of 20 ms, any text beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from adapters.media.base import Message
from adapters.media.clients.base import CallLeg, MediaClient, one_digit
from adapters.media.codecs import PCM_SAMPLE_BYTES, require_whole_samples
from adapters.media.l16_stream import RATE_PARAMETER, RATES_HZ
from models.errors import InvalidField

FRAME_MS: Final = 20
"""Audio in one binary message, milliseconds."""

_KEY_SAMPLES: Final = 1_600


class L16Client(MediaClient):
    """One stream, seen by FreeSWITCH. The stream ends with the socket.

    Args:
        leg: The call.
        metadata: The operator's metadata, as it is sent; '' for none. None for the leg's attributes as JSON.
    """

    def __init__(self, leg: CallLeg, metadata: str | None = None) -> None:
        super().__init__(leg)
        if leg.sample_rate_hz not in RATES_HZ.values():
            raise InvalidField("sample_rate_hz", "the stream runs at 8000 or 16000 Hz")
        self._metadata = json.dumps(self._attributes()) if metadata is None else metadata
        self._frame_bytes = leg.sample_rate_hz * FRAME_MS // 1000 * PCM_SAMPLE_BYTES
        self._pending = b""

    @property
    def query(self) -> Mapping[str, str]:
        """The rate of the audio, which the wire of a module does not name."""
        return {RATE_PARAMETER: str(self.leg.sample_rate_hz)}

    def opening(self) -> list[Message]:
        """The metadata, where there is any."""
        return [self._metadata] if self._metadata else []

    def send_audio(self, pcm: bytes) -> list[Message]:
        """Binary messages of 20 ms; see `MediaClient.send_audio`."""
        require_whole_samples(pcm)
        pcm = self._pending + pcm if self._pending else pcm
        whole = len(pcm) - len(pcm) % self._frame_bytes
        self._pending = pcm[whole:]
        return [pcm[at : at + self._frame_bytes] for at in range(0, whole, self._frame_bytes)]

    def send_dtmf(self, digit: str) -> list[Message]:
        """A key, as jambonz writes it; see `MediaClient.send_dtmf`."""
        return [json.dumps({"event": "dtmf", "dtmf": one_digit(digit), "duration": _KEY_SAMPLES})]

    def send_mark_reached(self, name: str) -> list[Message]:
        """Nothing, where the module has no marks."""
        del name
        return []

    def send_stop(self, reason: str = "") -> list[Message]:
        """The rest of the audio; the socket is closed without a word."""
        del reason
        rest: list[Message] = [self._pending.ljust(self._frame_bytes, b"\x00")] if self._pending else []
        self._pending = b""
        return rest

    def _attributes(self) -> dict[str, object]:
        leg = self.leg
        return {
            "sampleRate": leg.sample_rate_hz,
            "mixType": "mono",
            "callSid": leg.call_id,
            "accountSid": leg.account_id,
            "from": leg.from_,
            "to": leg.to,
            **leg.parameters,
        }
