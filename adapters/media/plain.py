"""The project's own media protocol: binary PCM both ways and JSON text with the verbs of Twilio Media Streams.

Spoken by the demo and by clients that want wide-band audio without base64. Document for people who write a client:
``docs/protocol-plain.md``.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar, Final

from adapters.media import wire
from adapters.media.base import (
    AudioReceived,
    DtmfReceived,
    Handshake,
    MarkPolicy,
    MarkReached,
    MediaCapabilities,
    MediaEvent,
    Message,
    Started,
    Stopped,
)
from adapters.media.codecs import PCM_SAMPLE_BYTES, require_whole_samples
from adapters.media.stream_life import Verb
from adapters.media.stream_protocol import StreamProtocol
from models.errors import MediaProtocolError

SUBPROTOCOL: Final = "aicall.plain.v1"
"""WebSocket subprotocol that a client may offer."""

SAMPLE_RATES_HZ: Final = frozenset({8000, 16000})
"""What voice activity detection takes as it is, so that no audio is ever resampled on its way in."""


class PlainProtocol(StreamProtocol):
    """One stream of the plain protocol. `Started.stream_id` is the call's id: a call has one stream."""

    name: ClassVar[str] = "plain"
    label: ClassVar[str] = "AIcall plain PCM"
    capabilities: ClassVar[MediaCapabilities] = MediaCapabilities(
        marks=MarkPolicy.ECHOED, flush=True, dtmf_out=True, hangup_in_band=True
    )
    subprotocol: ClassVar[str | None] = SUBPROTOCOL

    def __init__(self) -> None:
        super().__init__()
        self._sample_rate_hz = 0

    @classmethod
    def matches_handshake(cls, handshake: Handshake) -> bool:
        """Say whether the client offered the subprotocol."""
        return SUBPROTOCOL in handshake.subprotocols

    @classmethod
    def matches_message(cls, message: Message) -> bool:
        """Say whether this is a ``start`` with a ``sample_rate``."""
        document = wire.peek(message)
        return document.get("event") == "start" and "sample_rate" in document

    @property
    def sample_rate_hz(self) -> int:
        """The rate of the client's ``start``, 8000 or 16000; 0 before it."""
        return self._sample_rate_hz

    def _take(self, message: Message) -> list[MediaEvent]:
        return self._audio(message) if isinstance(message, bytes) else self._control(message)

    def send_audio(self, pcm: bytes) -> list[Message]:
        """Play audio; see `MediaProtocol.send_audio`. One binary message for each second or part of it."""
        if not self._life.is_open or not pcm:
            return []
        require_whole_samples(pcm)
        second_bytes = self._sample_rate_hz * PCM_SAMPLE_BYTES
        if len(pcm) <= second_bytes:
            return [pcm]
        return [pcm[at : at + second_bytes] for at in range(0, len(pcm), second_bytes)]

    def send_mark(self, name: str) -> list[Message]:
        """Ask for an echo of ``name`` once everything before it was played, or dropped by `send_clear`."""
        return self._text({"event": "mark", "name": name})

    def send_clear(self) -> list[Message]:
        """Drop everything sent and not yet played."""
        return self._text({"event": "clear"})

    def send_dtmf(self, digits: str) -> list[Message]:
        """Send digits to the far end.

        Raises:
            InvalidField: Something beside ``0-9 * # A-D``.
        """
        return self._text({"event": "dtmf", "digits": wire.require_digits(digits)})

    def send_hangup(self) -> list[Message]:
        """Tell the client that the call is over."""
        return self._text({"event": "hangup"})

    def _text(self, document: dict[str, str]) -> list[Message]:
        return [json.dumps(document)] if self._life.is_open else []

    def _audio(self, message: bytes) -> list[MediaEvent]:
        self._life.move(Verb.CONTENT)
        if len(message) % PCM_SAMPLE_BYTES:
            raise MediaProtocolError("audio must be whole 16-bit samples")
        if len(message) > self._sample_rate_hz * PCM_SAMPLE_BYTES:
            raise MediaProtocolError("a message may hold one second of audio at most")
        return [AudioReceived(message)] if message else []

    def _control(self, message: str) -> list[MediaEvent]:
        document = wire.json_object(message)
        event = document.get("event")
        if event == "mark":
            self._life.move(Verb.CONTENT)
            return [MarkReached(wire.name(document.get("name")))]
        if event == "dtmf":
            self._life.move(Verb.CONTENT)
            return [DtmfReceived(wire.digit(document.get("digit")))]
        if event == "start":
            return self._start(document)
        if event == "stop":
            self._life.move(Verb.STOP)
            return [Stopped(_reason(document.get("reason")))]
        raise MediaProtocolError("unknown event")

    def _start(self, document: dict[str, Any]) -> list[MediaEvent]:
        self._life.move(Verb.START)
        try:
            started = _read_start(document)
        except MediaProtocolError as error:
            raise MediaProtocolError(error.message, fatal=True) from error
        self._sample_rate_hz = started.sample_rate_hz
        return [started]


def _reason(value: object) -> str:
    """Read why the client stopped; it is gone, whatever its reason looks like."""
    try:
        return wire.text(value)
    except MediaProtocolError:
        return ""


def _read_start(document: dict[str, Any]) -> Started:
    sample_rate_hz = document.get("sample_rate")
    if type(sample_rate_hz) is not int or sample_rate_hz not in SAMPLE_RATES_HZ:
        raise MediaProtocolError("sample_rate must be 8000 or 16000")
    call_id = wire.text(document.get("call_id"))
    return Started(
        stream_id=call_id,
        call_id=call_id,
        account_id="",
        sample_rate_hz=sample_rate_hz,
        parameters=wire.parameters(document.get("parameters")),
        from_=wire.text(document.get("from")),
        to=wire.text(document.get("to")),
    )
