"""What the FreeSWITCH modules that stream to a WebSocket have in common, and jambonz, which is built on one of them.

Binary messages of linear 16-bit audio (little-endian, mono) both ways; text messages beside them. The first message may
be text, the metadata that the operator gave to the command that starts the stream: any JSON, any text, or none at all.
Later text is whatever the operator sends; keys of the caller are read in the form in which jambonz writes them,
``{"event": "dtmf", "dtmf": "5"}``. The end of a stream is the socket's.

Rates: 8000 and 16000 Hz. The wire names none, so that it is, in this order: ``sample-rate=`` of the URL,
``sampleRate`` of the metadata, 8000.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Final, Self

from adapters.media import wire
from adapters.media.base import AudioReceived, DtmfReceived, Handshake, MediaEvent, Message, Started
from adapters.media.codecs import PCM_SAMPLE_BYTES, require_whole_samples
from adapters.media.stream_life import Phase, Verb
from adapters.media.stream_protocol import StreamProtocol
from models.errors import MediaProtocolError

RATE_PARAMETER: Final = "sample-rate"
"""Query parameter of the URL with the rate of the audio."""

RATES_HZ: Final[Mapping[str, int]] = {"8000": 8000, "8k": 8000, "16000": 16000, "16k": 16000}
"""Rates by their spellings: a number, or as in the modules' commands."""

_MAX_AUDIO_BYTES: Final = 65_536
_CALL_KEYS: Final = ("callSid", "callId", "callid", "call_id", "uuid")
_UNKNOWN: Final = Handshake(url="", path="")


class L16Stream(StreamProtocol):
    """One stream. A protocol brings how audio is sent, and what of the text it knows.

    An odd byte at the end of a message is kept for the next one. Metadata that is a JSON object gives its plain values
    as custom parameters, and of them the call (``callSid``, ``callId``, ``call_id`` or ``uuid``; else ``session=`` of
    the URL), ``accountSid``, ``from``, ``to`` and ``mixType``, which may only be ``mono``: in any other mix the bot
    would hear itself. Other text is the custom parameter ``metadata``.
    """

    def __init__(self, handshake: Handshake = _UNKNOWN) -> None:
        """Wait for the first message.

        Args:
            handshake: The upgrade request, whose URL may say what the wire does not.
        """
        super().__init__()
        self._query = handshake.query
        self._sample_rate_hz = 0
        self._rest = b""

    @classmethod
    def begin(cls, handshake: Handshake) -> Self:
        """Make the protocol's side; the URL may name rate, call and numbers."""
        return cls(handshake)

    @property
    def sample_rate_hz(self) -> int:
        """8000 or 16000; 0 before the first message."""
        return self._sample_rate_hz

    def _take(self, message: Message) -> list[MediaEvent]:
        return self._audio(message) if isinstance(message, bytes) else self._text(message)

    @abstractmethod
    def _read_first(self, message: Message) -> dict[str, str]:
        """Read the first message; returns the metadata's plain values.

        Raises:
            MediaProtocolError: Fatal: a stream cannot begin like this.
        """

    def _said(self, document: dict[str, Any]) -> list[MediaEvent]:
        """Read a later text message, as its JSON object; {} for any other text.

        Raises:
            MediaProtocolError: It breaks the protocol.
        """
        if document.get("event") == "dtmf":
            return [DtmfReceived(wire.digit(document.get("dtmf")))]
        return []

    def _pieces(self, pcm: bytes, longest_ms: int) -> list[bytes]:
        """Cut audio into messages of a length at most."""
        if not self._life.is_open or not pcm:
            return []
        require_whole_samples(pcm)
        size = self._sample_rate_hz * longest_ms // 1000 * PCM_SAMPLE_BYTES
        return [pcm] if len(pcm) <= size else [pcm[at : at + size] for at in range(0, len(pcm), size)]

    def _audio(self, message: bytes) -> list[MediaEvent]:
        events = self._start(message) if self._life.phase is Phase.WAITING else []
        self._life.move(Verb.CONTENT)
        if len(message) > _MAX_AUDIO_BYTES:
            raise MediaProtocolError("the message is too long")
        if self._rest or len(message) % PCM_SAMPLE_BYTES:
            message = self._rest + message
            whole = len(message) - len(message) % PCM_SAMPLE_BYTES
            message, self._rest = message[:whole], message[whole:]
        return [*events, AudioReceived(message)] if message else events

    def _text(self, message: str) -> list[MediaEvent]:
        if self._life.phase is Phase.WAITING:
            return self._start(message)
        self._life.move(Verb.CONTENT)
        if len(message) > wire.MAX_MESSAGE_CHARS:
            raise MediaProtocolError("the message is too long")
        return self._said(wire.peek(message))

    def _start(self, message: Message) -> list[MediaEvent]:
        try:
            if len(message) > _MAX_AUDIO_BYTES:
                raise MediaProtocolError("the message is too long")
            started = _started(self._read_first(message), self._query)
        except MediaProtocolError as error:
            raise MediaProtocolError(error.message, fatal=True) from error
        self._life.move(Verb.START)
        self._sample_rate_hz = started.sample_rate_hz
        return [started]


def read_metadata(message: Message) -> dict[str, str]:
    """Read what may begin a stream of a FreeSWITCH module: metadata of any form, or audio at once.

    Returns:
        The plain values of a JSON object; any other text as ``metadata``; nothing for audio.

    Raises:
        MediaProtocolError: It holds characters that are not text.
    """
    if isinstance(message, bytes):
        return {}
    document = wire.peek(message)
    return wire.plain_parameters(document) if document else wire.parameters({"metadata": message})


def _started(metadata: dict[str, str], query: Mapping[str, str]) -> Started:
    rate = query.get(RATE_PARAMETER) or metadata.get("sampleRate") or "8000"
    if rate not in RATES_HZ:
        raise MediaProtocolError("the sample rate must be 8000 or 16000 Hz")
    if metadata.get("mixType", "mono") != "mono":
        raise MediaProtocolError("the mix must be mono")
    call_id = next((metadata[key] for key in _CALL_KEYS if metadata.get(key)), query.get("session", ""))
    return Started(
        stream_id=wire.text(call_id),
        call_id=wire.text(call_id),
        account_id=wire.text(metadata.get("accountSid")),
        sample_rate_hz=RATES_HZ[rate],
        parameters=metadata,
        from_=wire.text(metadata.get("from", query.get("from"))),
        to=wire.text(metadata.get("to", query.get("to"))),
    )
