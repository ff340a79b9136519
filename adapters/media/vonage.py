"""Vonage Voice API WebSockets, as the server of a ``connect`` action with a ``websocket`` endpoint.

Binary messages of 20 ms of 16-bit little-endian PCM, mono, both ways, at the rate of the endpoint's ``content-type``,
and JSON text: first ``websocket:connected`` with that content type and the endpoint's ``headers`` as fields of the same
object, then ``websocket:dtmf``, ``websocket:notify``, ``websocket:cleared``. Sent are ``{"action": "clear"}`` and
``{"action": "notify"}``, whose payload comes back once everything before it was played. A message of another size ends
the stream at the phone system. There is no message at the end of a call: the socket closes.

Source: https://developer.vonage.com/en/voice/voice-api/concepts/websockets
"""

from __future__ import annotations

import json
import re
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

FRAME_MS: Final = 20
"""Audio of one binary message, milliseconds."""

SAMPLE_RATES_HZ: Final = frozenset({8000, 16000})
"""The rates that are taken, Hz; Vonage has 24000 as well."""

CALL_ID_HEADERS: Final = ("uuid", "call_uuid", "session")
"""Names of the endpoint's header that carries the call's uuid, which Vonage itself does not send; the first counts."""

_CONTENT_TYPE: Final = re.compile(r"audio/l16; ?rate=([0-9]{4,6})", re.IGNORECASE)
_OWN_FIELDS: Final = frozenset({"event", "content-type"})


class VonageProtocol(StreamProtocol):
    """One Vonage WebSocket. `Started.stream_id` is the call's id: a call has one stream.

    Custom parameters are the endpoint's ``headers``, those apart that are objects or lists; ``from`` and ``to`` among
    them are the numbers. A message of the caller's audio may be of any length up to a second.
    ``websocket:disconnected``, which the Audio Connector of the Video API sends, ends the stream.
    """

    name: ClassVar[str] = "vonage"
    label: ClassVar[str] = "Vonage Voice WebSockets"
    capabilities: ClassVar[MediaCapabilities] = MediaCapabilities(
        marks=MarkPolicy.PLAYED_ONLY, flush=True, frame_ms=FRAME_MS, exact_frames=True
    )

    def __init__(self) -> None:
        super().__init__()
        self._sample_rate_hz = 0
        self._frame_bytes = 0

    @classmethod
    def matches_handshake(cls, handshake: Handshake) -> bool:
        """Never: the upgrade request is like any other."""
        del handshake
        return False

    @classmethod
    def matches_message(cls, message: Message) -> bool:
        """Say whether this is a ``websocket:connected``."""
        return wire.peek(message).get("event") == "websocket:connected"

    @property
    def sample_rate_hz(self) -> int:
        """The rate of the content type, 8000 or 16000; 0 before it."""
        return self._sample_rate_hz

    def _take(self, message: Message) -> list[MediaEvent]:
        return self._audio(message) if isinstance(message, bytes) else self._control(message)

    def send_audio(self, pcm: bytes) -> list[Message]:
        """Play audio; see `MediaProtocol.send_audio`. One binary message for 20 ms, the last filled with silence."""
        if not self._life.is_open or not pcm:
            return []
        size = self._frame_bytes
        if len(pcm) == size:
            return [pcm]
        require_whole_samples(pcm)
        return [pcm[at : at + size].ljust(size, b"\0") for at in range(0, len(pcm), size)]

    def send_mark(self, name: str) -> list[Message]:
        """Ask for ``websocket:notify`` once everything before it was played."""
        return self._text({"action": "notify", "payload": {"name": name}})

    def send_clear(self) -> list[Message]:
        """Drop everything sent and not yet played."""
        return self._text({"action": "clear"})

    def _text(self, document: dict[str, Any]) -> list[Message]:
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
        if event == "websocket:notify":
            self._life.move(Verb.CONTENT)
            return [MarkReached(wire.name(wire.section(document.get("payload")).get("name")))]
        if event == "websocket:dtmf":
            self._life.move(Verb.CONTENT)
            return [DtmfReceived(wire.digit(document.get("digit")))]
        if event == "websocket:cleared":
            self._life.move(Verb.CONTENT)
            return []
        if event == "websocket:connected":
            return self._start(document)
        if event == "websocket:disconnected":
            self._life.move(Verb.STOP)
            return [Stopped()]
        raise MediaProtocolError("unknown event")

    def _start(self, document: dict[str, Any]) -> list[MediaEvent]:
        self._life.move(Verb.START)
        try:
            started = _read_start(document)
        except MediaProtocolError as error:
            raise MediaProtocolError(error.message, fatal=True) from error
        self._sample_rate_hz = started.sample_rate_hz
        self._frame_bytes = started.sample_rate_hz * FRAME_MS // 1000 * PCM_SAMPLE_BYTES
        return [started]


def _read_start(document: dict[str, Any]) -> Started:
    content_type = _CONTENT_TYPE.fullmatch(wire.text(document.get("content-type")))
    sample_rate_hz = int(content_type[1]) if content_type else 0
    if sample_rate_hz not in SAMPLE_RATES_HZ:
        raise MediaProtocolError("the content type must be audio/l16 with a rate of 8000 or 16000 Hz")
    parameters = wire.plain_parameters({name: value for name, value in document.items() if name not in _OWN_FIELDS})
    call_id = next((parameters[name] for name in CALL_ID_HEADERS if name in parameters), "")
    return Started(
        stream_id=call_id,
        call_id=call_id,
        account_id="",
        sample_rate_hz=sample_rate_hz,
        parameters=parameters,
        from_=parameters.get("from", ""),
        to=parameters.get("to", ""),
    )
