"""VoIPBIN's media bridge: Pipecat's own frames as protocol buffers, one in each binary message.

A message is a ``pipecat.Frame`` with one of ``text``, ``audio`` (16-bit little-endian PCM, ``sample_rate``,
``num_channels``), ``transcription``, ``message`` or ``interruption``. VoIPBIN sends and takes audio at 16000 Hz, one
channel, as Asterisk's chan_websocket has it; other bridges that speak Pipecat's frames may run at 8000 Hz. A ``text``
frame ``FLUSH_MEDIA`` drops what has not been played. There are no marks, no digits and no goodbye: the socket's end is
the stream's.

There is no start message either. The first frame begins the stream: if it is audio, at its rate, otherwise at 16000 Hz.
Who calls is told by the query of the URL, ``session``, ``from`` and ``to``; the rest of it counts as custom parameters.

Both directions share one socket, which the bridge opens. VoIPBIN's own Pipecat process opens two to the bridge instead,
one for each direction, and lets RTVI messages pass with the audio; those are ignored here.

Sources: https://github.com/voipbin/monorepo (``bin-pipecat-manager/proto/frames.proto``, ``pkg/pipecatcallhandler``),
https://docs.pipecat.ai/server/services/serializers/introduction
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Any, ClassVar, Final, Self

from adapters.media import wire
from adapters.media.base import (
    AudioReceived,
    Handshake,
    MarkPolicy,
    MediaCapabilities,
    MediaEvent,
    Message,
    Started,
)
from adapters.media.codecs import PCM_SAMPLE_BYTES, require_whole_samples
from adapters.media.stream_life import Phase, Verb
from adapters.media.stream_protocol import StreamProtocol
from models.errors import MediaProtocolError

FLUSH: Final = "FLUSH_MEDIA"
"""Text that drops what has not been played: the name of Asterisk's command, to which it is passed on."""

SAMPLE_RATES_HZ: Final = frozenset({8_000, 16_000})
"""Rates that need no resampling, Hz."""

USUAL_RATE_HZ: Final = 16_000
"""VoIPBIN's own rate, Hz."""

_AUDIO_TAG: Final = b"\x12"
"""How a frame that holds audio begins: field 2, length-delimited."""

_NOT_PARAMETERS: Final = frozenset({"session", "from", "to", "protocol"})
_NS_PER_MS: Final = 1_000_000


@cache
def _frames() -> Any:
    """Return Pipecat's compiled protocol buffers, once somebody speaks this protocol."""
    return import_module("pipecat.frames.protobufs.frames_pb2")


def parse(message: Message) -> Any:
    """Read a message.

    Returns:
        A ``pipecat.Frame``; which of its fields is set says ``WhichOneof("frame")``.

    Raises:
        MediaProtocolError: Text, too long, or no such frame.
    """
    if isinstance(message, str):
        raise MediaProtocolError("only binary messages are allowed")
    if len(message) > wire.MAX_MESSAGE_CHARS:
        raise MediaProtocolError("the message is too long")
    frames = _frames()
    try:
        frame = frames.Frame.FromString(message)
    except Exception as error:  # Each implementation of protocol buffers has an error class of its own.
        raise MediaProtocolError("the message is not a frame") from error
    if frame.WhichOneof("frame") is None:
        raise MediaProtocolError("the frame is empty")
    return frame


def audio_message(number: int, pcm: bytes, sample_rate_hz: int) -> bytes:
    """Write an audio frame.

    Args:
        number: Its id.
        pcm: 16-bit little-endian mono PCM.
        sample_rate_hz: Rate of the PCM, Hz.
    """
    frames = _frames()
    audio = frames.AudioRawFrame(id=number, audio=pcm, sample_rate=sample_rate_hz, num_channels=1)
    message: bytes = frames.Frame(audio=audio).SerializeToString()
    return message


def text_message(text: str) -> bytes:
    """Write a text frame."""
    frames = _frames()
    message: bytes = frames.Frame(text=frames.TextFrame(text=text)).SerializeToString()
    return message


def samples(audio: Any, sample_rate_hz: int) -> bytes:
    """Return the PCM of an audio frame.

    Raises:
        MediaProtocolError: Another rate, more than one channel, or half a sample.
    """
    if audio.sample_rate != sample_rate_hz or audio.num_channels != 1:
        raise MediaProtocolError("the audio must have one channel, and the rate at which the stream began")
    pcm: bytes = audio.audio
    if len(pcm) % PCM_SAMPLE_BYTES:
        raise MediaProtocolError("audio must be whole 16-bit samples")
    return pcm


class VoipbinProtocol(StreamProtocol):
    """One stream of VoIPBIN's.

    `Started.stream_id` and `Started.call_id` are the query's ``session``. Frames other than audio begin a stream, and
    are otherwise none of its business.

    Args:
        query: Query parameters of the upgrade request.
    """

    name: ClassVar[str] = "voipbin"
    label: ClassVar[str] = "VoIPBIN"
    capabilities: ClassVar[MediaCapabilities] = MediaCapabilities(marks=MarkPolicy.NONE, flush=True)

    def __init__(self, query: Mapping[str, str] = MappingProxyType({})) -> None:
        super().__init__()
        self._query = query
        self._sample_rate_hz = 0
        self._sent = 0

    @classmethod
    def begin(cls, handshake: Handshake) -> Self:
        """Make the protocol's side of a connection; see `MediaProtocol.begin`."""
        return cls(handshake.query)

    @classmethod
    def matches_handshake(cls, handshake: Handshake) -> bool:
        """Never: the upgrade request has nothing of VoIPBIN's own."""
        del handshake
        return False

    @classmethod
    def matches_message(cls, message: Message) -> bool:
        """Say whether this is a frame of audio in one channel at a telephone's rate.

        Bare PCM that happens to be well-formed, with both numbers right, is not to be feared.
        """
        if isinstance(message, str) or not message.startswith(_AUDIO_TAG):
            return False
        try:
            frame = parse(message)
        except MediaProtocolError:
            return False
        audio = frame.audio
        return frame.WhichOneof("frame") == "audio" and audio.sample_rate in SAMPLE_RATES_HZ and audio.num_channels == 1

    @property
    def sample_rate_hz(self) -> int:
        """The rate of the first frame, 8000 or 16000; 0 before it."""
        return self._sample_rate_hz

    def send_audio(self, pcm: bytes) -> list[Message]:
        """Play audio; see `MediaProtocol.send_audio`. One frame for each second or part of it."""
        if not self._life.is_open or not pcm:
            return []
        require_whole_samples(pcm)
        second_bytes = self._sample_rate_hz * PCM_SAMPLE_BYTES
        if len(pcm) <= second_bytes:
            return [self._audio(pcm)]
        return [self._audio(pcm[at : at + second_bytes]) for at in range(0, len(pcm), second_bytes)]

    def send_mark(self, name: str) -> list[Message]:
        """There are no marks."""
        del name
        return []

    def send_clear(self) -> list[Message]:
        """Drop everything sent and not yet played."""
        return [text_message(FLUSH)] if self._life.is_open else []

    def _audio(self, pcm: bytes) -> bytes:
        self._sent += 1
        return audio_message(self._sent, pcm, self._sample_rate_hz)

    def _take(self, message: Message) -> list[MediaEvent]:
        frame = parse(message)
        is_audio = frame.WhichOneof("frame") == "audio"
        events: list[MediaEvent] = []
        if self._life.phase is Phase.WAITING:
            events.append(self._begin(frame.audio if is_audio else None))
        else:
            self._life.move(Verb.CONTENT)
        if is_audio:
            audio = frame.audio
            pcm = samples(audio, self._sample_rate_hz)
            if pcm:
                events.append(AudioReceived(pcm, audio.pts // _NS_PER_MS if audio.HasField("pts") else None))
        return events

    def _begin(self, audio: Any) -> Started:
        """Begin the stream with its first frame."""
        try:
            rate_hz = USUAL_RATE_HZ if audio is None else audio.sample_rate
            if rate_hz not in SAMPLE_RATES_HZ:
                raise MediaProtocolError("the sample rate must be 8000 or 16000 Hz")
            if audio is not None:
                samples(audio, rate_hz)
            query = self._query
            session = wire.text(query.get("session"))
            started = Started(
                stream_id=session,
                call_id=session,
                account_id="",
                sample_rate_hz=rate_hz,
                parameters=wire.parameters({name: query[name] for name in query if name not in _NOT_PARAMETERS}),
                from_=wire.text(query.get("from")),
                to=wire.text(query.get("to")),
            )
        except MediaProtocolError as error:
            raise MediaProtocolError(error.message, fatal=True) from error
        self._life.move(Verb.START)
        self._sample_rate_hz = rate_hz
        return started
