"""Genesys Cloud AudioHook version 2, as the server of an Audio Connector.

JSON text messages in numbered envelopes, binary µ-law at 8000 Hz: the caller's channel alone, or interleaved with the
other side's. Received: ``open``, ``ping``, ``dtmf``, ``paused``, ``resumed``, ``discarded``, ``update``,
``playback_started``, ``playback_completed``, ``error``, ``close``. Sent: ``opened``, ``pong``, ``updated``,
``closed``, ``disconnect``, and an ``event`` with ``barge_in``, which makes Genesys drop what it has not played. Genesys
alone closes a session: the server asks by ``disconnect``, Genesys sends ``close`` and waits for ``closed``. It takes
about five binary messages a second and answers more with error 429, so that each carries 200 ms.

A session whose conversation is the nil UUID is a connection probe: it is opened without media, answered and closed,
and no stream starts, so that its AIcall ends as a hang-up without ever having progressed.

Source: https://developer.genesys.cloud/devapps/audiohook
"""

from __future__ import annotations

import json
from typing import Any, ClassVar, Final, Self

from adapters.media import wire
from adapters.media.base import (
    AudioReceived,
    DtmfReceived,
    Handshake,
    MarkPolicy,
    MediaCapabilities,
    MediaEvent,
    Message,
    Reply,
    Stopped,
)
from adapters.media.codecs import PCM_SAMPLE_BYTES, pcm_to_ulaw, require_whole_samples, ulaw_to_pcm
from adapters.media.genesys_wire import (
    SAMPLE_RATE_HZ,
    VERSION,
    ClientMessage,
    caller_channel,
    duration_s,
    read_message,
    read_open,
)
from adapters.media.stream_life import Phase, Verb
from adapters.media.stream_protocol import StreamProtocol
from models.errors import MediaProtocolError

SESSION_HEADER: Final = "audiohook-session-id"
"""Header of the upgrade request with the session's id, in lower case."""

_MAX_AUDIO_BYTES: Final = 65_536
_SECOND_BYTES: Final = SAMPLE_RATE_HZ * PCM_SAMPLE_BYTES


class GenesysProtocol(StreamProtocol):
    """One AudioHook session.

    As in the protocol's reference server, a session is over (fatal) when Genesys numbers its messages wrongly, claims
    to have seen more of ours than there are, or names another session. Unknown messages, malformed ones and audio
    during a pause are dropped. ``playback_completed`` says that Genesys has run dry, not what was played, and so
    stands for no marks.
    """

    name: ClassVar[str] = "genesys"
    label: ClassVar[str] = "Genesys AudioHook"
    capabilities: ClassVar[MediaCapabilities] = MediaCapabilities(
        marks=MarkPolicy.NONE, flush=True, frame_ms=200, look_ahead_ms=400, hangup_in_band=True, goodbye_s=5.0
    )

    def __init__(self, session_id: str = "") -> None:
        """Wait for the ``open``.

        Args:
            session_id: Id of the session; '' when the ``open`` has to tell.
        """
        super().__init__()
        self._session_id = session_id
        self._seq = 0
        self._clientseq = 0
        self._channel, self._channels = 0, 1
        self._position = 0  # media time, samples
        self._paused = False
        self._probed = False
        self._disconnected = False

    @classmethod
    def begin(cls, handshake: Handshake) -> Self:
        """Make the server's side; the upgrade request names the session."""
        return cls(handshake.headers.get(SESSION_HEADER, ""))

    @classmethod
    def matches_handshake(cls, handshake: Handshake) -> bool:
        """Say whether the upgrade request names an AudioHook session."""
        return SESSION_HEADER in handshake.headers

    @classmethod
    def matches_message(cls, message: Message) -> bool:
        """Say whether this is an ``open`` of version 2."""
        document = wire.peek(message)
        return (document.get("version"), document.get("type")) == (VERSION, "open")

    @property
    def sample_rate_hz(self) -> int:
        """Always 8000."""
        return SAMPLE_RATE_HZ

    def _take(self, message: Message) -> list[MediaEvent]:
        return self._audio(message) if isinstance(message, bytes) else self._control(wire.json_object(message))

    def send_audio(self, pcm: bytes) -> list[Message]:
        """Play audio; see `MediaProtocol.send_audio`. One binary message for each second or part of it."""
        if not self._life.is_open or not pcm:
            return []
        if len(pcm) <= _SECOND_BYTES:
            return [pcm_to_ulaw(pcm)]
        require_whole_samples(pcm)
        return [pcm_to_ulaw(pcm[at : at + _SECOND_BYTES]) for at in range(0, len(pcm), _SECOND_BYTES)]

    def send_mark(self, name: str) -> list[Message]:
        """Nothing: the protocol has no marks."""
        del name
        return []

    def send_clear(self) -> list[Message]:
        """Drop everything sent and not yet played: the caller has barged in."""
        if not self._life.is_open:
            return []
        return [self._message("event", {"entities": [{"type": "barge_in", "data": {}}]})]

    def send_hangup(self) -> list[Message]:
        """Ask Genesys, once, to close the session; what follows in the flow then goes on."""
        if not self._life.is_open or self._disconnected:
            return []
        self._disconnected = True
        return [self._message("disconnect", {"reason": "completed"})]

    def _message(self, type_: str, parameters: dict[str, Any]) -> str:
        self._seq += 1
        return json.dumps(
            {
                "version": VERSION,
                "id": self._session_id,
                "type": type_,
                "seq": self._seq,
                "clientseq": self._clientseq,
                "parameters": parameters,
            }
        )

    def _reply(self, type_: str, parameters: dict[str, Any] | None = None) -> Reply:
        return Reply((self._message(type_, parameters or {}),))

    def _audio(self, message: bytes) -> list[MediaEvent]:
        self._life.move(Verb.CONTENT)
        if self._paused:
            raise MediaProtocolError("there is no audio during a pause")
        if len(message) > _MAX_AUDIO_BYTES:
            raise MediaProtocolError("the message is too long")
        ulaw = message if self._channels == 1 else message[self._channel :: self._channels]
        if not ulaw:
            return []
        at = self._position
        self._position += len(ulaw)
        return [AudioReceived(ulaw_to_pcm(ulaw), at * 1000 // SAMPLE_RATE_HZ)]

    def _control(self, document: dict[str, Any]) -> list[MediaEvent]:
        if self._life.phase is Phase.OVER:
            raise MediaProtocolError("the stream is over")
        message = read_message(document)
        self._require_order(message)
        if message.type == "open":
            return self._open(message)
        if self._probed:
            return self._probe(message)
        if message.type == "close":
            self._life.move(Verb.STOP)
            return [self._reply("closed"), Stopped(_reason(message.parameters.get("reason")))]
        self._life.move(Verb.CONTENT)
        return self._content(message)

    def _content(self, message: ClientMessage) -> list[MediaEvent]:
        parameters = message.parameters
        match message.type:
            case "ping":
                return [self._reply("pong")]
            case "dtmf":
                return [DtmfReceived(wire.digit(parameters.get("digit")))]
            case "update":
                return [self._reply("updated")]
            case "paused":
                self._paused = True
            case "resumed" | "discarded":
                end_s = duration_s(parameters.get("start")) + duration_s(parameters.get("discarded"))
                self._position = round(end_s * SAMPLE_RATE_HZ)
                self._paused = self._paused and message.type == "discarded"
            case "playback_started" | "playback_completed" | "error":
                pass  # An error that Genesys cannot live with is followed by its close.
            case _:
                raise MediaProtocolError("unknown message")
        return []

    def _require_order(self, message: ClientMessage) -> None:
        """Check the numbers of a message.

        Raises:
            MediaProtocolError: Fatal: messages are missing, or are somebody else's.
        """
        if message.session_id != (self._session_id or message.session_id):
            raise MediaProtocolError("the message is for another session", fatal=True)
        if message.seq != self._clientseq + 1:
            raise MediaProtocolError("the messages are not numbered one after the other", fatal=True)
        if message.serverseq > self._seq:
            raise MediaProtocolError("the message answers one that was not sent", fatal=True)
        self._session_id = message.session_id
        self._clientseq = message.seq

    def _open(self, message: ClientMessage) -> list[MediaEvent]:
        if self._life.phase is not Phase.WAITING or self._probed:
            raise MediaProtocolError("the session is open already")
        try:
            opening = read_open(message.session_id, message.parameters)
        except MediaProtocolError as error:
            raise MediaProtocolError(error.message, fatal=True) from error
        answer: dict[str, Any] = {"media": [], "startPaused": False}
        if opening.wants_languages:
            answer["supportedLanguages"] = []  # Which there are, the AI and its vendors decide.
        if opening.is_probe:
            self._probed = True
            return [self._reply("opened", answer)]
        if opening.media is None:
            raise MediaProtocolError("one offer must have the external channel as PCMU at 8000 Hz", fatal=True)
        self._life.move(Verb.START)
        self._channel, self._channels = caller_channel(opening.media)
        answer["media"] = [opening.media]
        return [self._reply("opened", answer), opening.started]

    def _probe(self, message: ClientMessage) -> list[MediaEvent]:
        """Answer Genesys in a probe, in which no stream ever starts."""
        if message.type == "close":
            self._life.move(Verb.BREAK)
            return [self._reply("closed")]
        return [self._reply("pong")] if message.type == "ping" else []


def _reason(value: object) -> str:
    """Read why Genesys closes; it is gone, whatever its reason looks like."""
    try:
        return wire.text(value)
    except MediaProtocolError:
        return ""
