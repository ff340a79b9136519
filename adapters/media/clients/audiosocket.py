"""Asterisk's side of AudioSocket: what it sends and accepts, frame by frame.

Source: https://docs.asterisk.org/Configuration/Channel-Drivers/AudioSocket/
"""

from __future__ import annotations

from typing import ClassVar, Final
from uuid import NAMESPACE_OID, UUID, uuid5

from adapters.media.audiosocket import (
    AUDIO_KINDS,
    DTMF,
    FRAME_MS,
    HANGUP,
    HEADER_BYTES,
    UUID_KIND,
    frame,
)
from adapters.media.base import Message
from adapters.media.clients.base import CallLeg, ClientEvent, Hangup, MediaClient, PlayAudio, one_digit
from adapters.media.codecs import PCM_SAMPLE_BYTES, require_whole_samples
from models.errors import InvalidField, MediaProtocolError

_KINDS: Final = {rate_hz: kind for kind, rate_hz in AUDIO_KINDS.items()}


class AudioSocketClient(MediaClient):
    """One connection as Asterisk plays it: messages are whole frames, to be written one after the other.

    The opening holds the first 20 ms of silence, since a channel sends audio from the beginning. There is nothing that
    carries ids, numbers and parameters.

    Args:
        leg: The call.
        uuid: What the connection begins with; None for one made of the stream's id.
    """

    name: ClassVar[str] = "audiosocket"

    def __init__(self, leg: CallLeg, uuid: UUID | None = None) -> None:
        super().__init__(leg)
        if leg.sample_rate_hz not in _KINDS:
            raise InvalidField("sample_rate_hz", "AudioSocket is taken at 8000 or 16000 Hz")
        self._uuid = uuid or uuid5(NAMESPACE_OID, leg.stream_id)
        self._kind = _KINDS[leg.sample_rate_hz]
        self._frame_bytes = leg.sample_rate_hz * FRAME_MS // 1000 * PCM_SAMPLE_BYTES
        self._pending = b""

    def opening(self) -> list[Message]:
        """The UUID and a frame of silence."""
        return [frame(UUID_KIND, self._uuid.bytes), frame(self._kind, bytes(self._frame_bytes))]

    def send_audio(self, pcm: bytes) -> list[Message]:
        """Frames of 20 ms; see `MediaClient.send_audio`."""
        require_whole_samples(pcm)
        pcm = self._pending + pcm
        whole = len(pcm) - len(pcm) % self._frame_bytes
        self._pending = pcm[whole:]
        return [frame(self._kind, pcm[at : at + self._frame_bytes]) for at in range(0, whole, self._frame_bytes)]

    def send_dtmf(self, digit: str) -> list[Message]:
        """One digit; see `MediaClient.send_dtmf`."""
        return [frame(DTMF, one_digit(digit).encode("ascii"))]

    def send_mark_reached(self, name: str) -> list[Message]:
        """Nothing: there are no marks."""
        del name
        return []

    def send_stop(self, reason: str = "") -> list[Message]:
        """The rest of the audio and a hang-up, in the place of which Asterisk mostly just closes the connection."""
        del reason
        rest, self._pending = self._pending, b""
        audio = [frame(self._kind, rest.ljust(self._frame_bytes, b"\x00"))] if rest else []
        return [*audio, frame(HANGUP)]

    def receive(self, message: Message) -> list[ClientEvent]:
        """Take audio or a hang-up; see `MediaClient.receive`."""
        if isinstance(message, str):
            raise MediaProtocolError("only binary frames are allowed")
        kind, payload = message[:1], message[HEADER_BYTES:]
        if len(message) < HEADER_BYTES or int.from_bytes(message[1:HEADER_BYTES], "big") != len(payload):
            raise MediaProtocolError("the frame is not as long as it says")
        if kind == bytes((HANGUP,)) and not payload:
            return [Hangup()]
        if kind != bytes((self._kind,)):
            raise MediaProtocolError("only audio at the rate of the channel and a hang-up are taken")
        if not payload or len(payload) % PCM_SAMPLE_BYTES:
            raise MediaProtocolError("audio must be whole 16-bit samples")
        return [PlayAudio(payload)]
