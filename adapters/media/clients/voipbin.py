"""VoIPBIN's side of its media bridge, `adapters.media.voipbin`."""

from __future__ import annotations

from typing import ClassVar, Final

from adapters.media.base import Message
from adapters.media.clients.base import CallLeg, Clear, ClientEvent, MediaClient, PlayAudio, one_digit
from adapters.media.codecs import PCM_SAMPLE_BYTES, require_whole_samples
from adapters.media.voipbin import FLUSH, SAMPLE_RATES_HZ, audio_message, parse, samples
from models.errors import InvalidField

FRAME_MS: Final = 20
"""Audio in one frame, milliseconds, as Asterisk delivers it."""


class VoipbinClient(MediaClient):
    """One stream as VoIPBIN's bridge plays it. Ids, numbers and parameters of the leg belong into the URL's query.

    Unlike the real bridge, which would resample it, audio at another rate is refused.
    """

    name: ClassVar[str] = "voipbin"

    def __init__(self, leg: CallLeg) -> None:
        super().__init__(leg)
        if leg.sample_rate_hz not in SAMPLE_RATES_HZ:
            raise InvalidField("sample_rate_hz", "VoIPBIN's bridge runs at 8000 or 16000 Hz")
        self._frame_bytes = leg.sample_rate_hz * PCM_SAMPLE_BYTES * FRAME_MS // 1000
        self._pending = b""
        self._sent = 0

    def opening(self) -> list[Message]:
        """An audio frame with nothing in it: the first one is what begins the stream."""
        return [self._audio(b"")]

    def send_audio(self, pcm: bytes) -> list[Message]:
        """Audio frames of 20 ms; see `MediaClient.send_audio`."""
        require_whole_samples(pcm)
        pcm = self._pending + pcm
        size = self._frame_bytes
        whole = len(pcm) - len(pcm) % size
        self._pending = pcm[whole:]
        return [self._audio(pcm[at : at + size]) for at in range(0, whole, size)]

    def send_dtmf(self, digit: str) -> list[Message]:
        """Nothing: keys do not come with the media."""
        one_digit(digit)
        return []

    def send_mark_reached(self, name: str) -> list[Message]:
        """Nothing: there are no marks."""
        del name
        return []

    def send_stop(self, reason: str = "") -> list[Message]:
        """The rest of the audio. The socket's end is the stream's."""
        del reason
        return self.send_audio(bytes(self._frame_bytes - len(self._pending))) if self._pending else []

    def receive(self, message: Message) -> list[ClientEvent]:
        """Take audio and ``FLUSH_MEDIA``; other frames are ignored. See `MediaClient.receive`."""
        frame = parse(message)
        kind = frame.WhichOneof("frame")
        if kind == "audio":
            return [PlayAudio(samples(frame.audio, self.leg.sample_rate_hz))]
        return [Clear()] if kind == "text" and frame.text.text == FLUSH else []

    def _audio(self, pcm: bytes) -> bytes:
        self._sent += 1
        return audio_message(self._sent, pcm, self.leg.sample_rate_hz)
