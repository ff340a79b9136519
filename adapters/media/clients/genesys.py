"""Genesys Cloud's side of AudioHook version 2: what its Audio Connector sends and accepts.

Source: https://developer.genesys.cloud/devapps/audiohook, and the client of the MIT-licensed reference implementation,
https://github.com/purecloudlabs/audiohook-reference-implementation
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import Enum, auto
from typing import Any, ClassVar, Final

from adapters.media import wire
from adapters.media.base import Message
from adapters.media.clients.base import (
    CallLeg,
    Clear,
    ClientEvent,
    Hangup,
    MediaClient,
    PlayAudio,
    one_digit,
)
from adapters.media.codecs import ULAW_SILENCE, pcm_to_ulaw, ulaw_to_pcm
from adapters.media.genesys_wire import CALLER, NIL_ID, SAMPLE_RATE_HZ, VERSION, sequence_number
from models.errors import InvalidField, MediaProtocolError

FRAME_MS: Final = 100
"""Audio in one binary message, milliseconds."""

MAX_AUDIO_BYTES: Final = 64_000
"""Largest binary message that is taken."""

_FRAME_BYTES: Final = SAMPLE_RATE_HZ * FRAME_MS // 1000
_REASONS: Final = frozenset({"completed", "unauthorized", "error"})


class _State(Enum):
    PREPARING = auto()
    OPENING = auto()
    OPEN = auto()
    CLOSING = auto()
    CLOSED = auto()


class GenesysClient(MediaClient):
    """One AudioHook session as Genesys conducts it.

    The leg's ids are those of session, conversation and organisation; its parameters are the flow's input variables.
    No audio leaves before the session is open. Whatever the reference client closes a session for is an error here:
    messages out of order, answers to what was not asked, media that was not offered.

    Args:
        leg: The call. With the nil UUID as its call this is a connection probe.
        offers: Channels of each media offer, in order.
    """

    name: ClassVar[str] = "genesys"

    def __init__(self, leg: CallLeg, offers: Sequence[Sequence[str]] = ((CALLER,),)) -> None:
        super().__init__(leg)
        if leg.sample_rate_hz != SAMPLE_RATE_HZ:
            raise InvalidField("sample_rate_hz", "AudioHook runs at 8000 Hz")
        self._state = _State.PREPARING
        self._offers = [
            {"type": "audio", "format": "PCMU", "channels": list(channels), "rate": SAMPLE_RATE_HZ}
            for channels in offers
        ]
        self._channels: list[str] = []
        self._seq = 0
        self._serverseq = 0
        self._ping_seq: int | None = None
        self._position = 0  # samples
        self._pending = b""

    @property
    def headers(self) -> Mapping[str, str]:
        """The session and its organisation; the session's id correlates too. An API key and a signature come apart."""
        leg = self.leg
        named = {"session": leg.stream_id, "organization": leg.account_id, "correlation": leg.stream_id}
        return {f"audiohook-{name}-id": value for name, value in named.items() if value}

    def opening(self) -> list[Message]:
        """``open``."""
        leg = self.leg
        if self._state is _State.PREPARING:
            self._state = _State.OPENING
        participant = {"id": leg.call_id, "ani": leg.from_, "aniName": "", "dnis": leg.to}
        open_ = {
            "organizationId": leg.account_id,
            "conversationId": leg.call_id,
            "participant": participant,
            "media": self._offers,
            "language": "en-US",
            "inputVariables": dict(leg.parameters),
        }
        return [self._message("open", open_)]

    def send_audio(self, pcm: bytes) -> list[Message]:
        """Binary messages of 100 ms; see `MediaClient.send_audio`."""
        ulaw = pcm_to_ulaw(pcm)
        if self._state is not _State.OPEN or not self._channels:
            return []
        ulaw = self._pending + ulaw
        whole = len(ulaw) - len(ulaw) % _FRAME_BYTES
        self._pending = ulaw[whole:]
        return [self._frame(ulaw[at : at + _FRAME_BYTES]) for at in range(0, whole, _FRAME_BYTES)]

    def send_dtmf(self, digit: str) -> list[Message]:
        """``dtmf``; see `MediaClient.send_dtmf`."""
        return [self._message("dtmf", {"digit": one_digit(digit)})]

    def send_mark_reached(self, name: str) -> list[Message]:
        """Nothing: the protocol has no marks."""
        del name
        return []

    def send_stop(self, reason: str = "") -> list[Message]:
        """The rest of the audio, and ``close`` with a reason (``end`` unless given)."""
        rest = [self._frame(self._pending.ljust(_FRAME_BYTES, ULAW_SILENCE))] if self._pending else []
        self._pending = b""
        self._state = _State.CLOSING
        return [*rest, self._message("close", {"reason": reason or "end"})]

    def send_ping(self) -> list[Message]:
        """``ping``, to be answered within 5 s and before the next one."""
        ping = self._message("ping", {})
        self._ping_seq = self._seq
        return [ping]

    def receive(self, message: Message) -> list[ClientEvent]:
        """Take audio or a message of the server; see `MediaClient.receive`."""
        if isinstance(message, bytes):
            return self._play(message)
        document = wire.json_object(message)
        parameters = self._parameters(document)
        match document.get("type"):
            case "opened":
                self._opened(parameters)
            case "closed":
                self._require(_State.CLOSING)
                self._state = _State.CLOSED
            case "pong":
                self._pong(sequence_number(document.get("clientseq")))
            case "event":
                return self._event(parameters)
            case "disconnect":
                if parameters.get("reason") not in _REASONS:
                    raise MediaProtocolError("an unknown reason to disconnect")
                return [Hangup()]
            case "pause" | "resume" | "updated" | "reconnect":
                self._require(_State.OPEN)
            case _:
                raise MediaProtocolError("unknown message")
        return []

    def _message(self, type_: str, parameters: dict[str, Any]) -> str:
        self._seq += 1
        return json.dumps(
            {
                "version": VERSION,
                "id": self.leg.stream_id,
                "type": type_,
                "seq": self._seq,
                "serverseq": self._serverseq,
                "position": f"PT{self._position / SAMPLE_RATE_HZ:.3f}S",
                "parameters": parameters,
            }
        )

    def _frame(self, ulaw: bytes) -> bytes:
        self._position += len(ulaw)
        if len(self._channels) == 1:
            return ulaw
        frame = bytearray(ULAW_SILENCE * (len(ulaw) * len(self._channels)))
        frame[self._channels.index(CALLER) :: len(self._channels)] = ulaw
        return bytes(frame)

    def _parameters(self, document: dict[str, Any]) -> dict[str, Any]:
        """Check a message's envelope and number it as seen; returns its parameters."""
        parameters = document.get("parameters")
        if document.get("version") != VERSION or not isinstance(parameters, dict):
            raise MediaProtocolError("not an AudioHook message")
        if document.get("id") != self.leg.stream_id:
            raise MediaProtocolError("the message is for another session")
        if sequence_number(document.get("seq")) != self._serverseq + 1:
            raise MediaProtocolError("the messages are not numbered one after the other")
        if sequence_number(document.get("clientseq")) > self._seq:
            raise MediaProtocolError("the message answers one that was not sent")
        self._serverseq += 1
        return parameters

    def _opened(self, parameters: dict[str, Any]) -> None:
        self._require(_State.OPENING)
        media = parameters.get("media")
        if not isinstance(media, list) or len(media) > 1 or any(chosen not in self._offers for chosen in media):
            raise MediaProtocolError("the media must be one of those offered")
        if not media and self.leg.call_id != NIL_ID:
            raise MediaProtocolError("no media was chosen")
        self._channels = media[0]["channels"] if media else []
        self._state = _State.OPEN

    def _pong(self, clientseq: int) -> None:
        if clientseq != self._ping_seq:
            raise MediaProtocolError("the pong answers no ping")
        self._ping_seq = None

    def _event(self, parameters: dict[str, Any]) -> list[ClientEvent]:
        entities = parameters.get("entities")
        if not isinstance(entities, list) or not entities:
            raise MediaProtocolError("the event has no entities")
        types = [wire.name(wire.section(entity).get("type")) for entity in entities]
        return [Clear() for type_ in types if type_ == "barge_in"]

    def _play(self, ulaw: bytes) -> list[ClientEvent]:
        self._require(_State.OPEN)
        if not ulaw or len(ulaw) > MAX_AUDIO_BYTES:
            raise MediaProtocolError("audio must be 1 to 64000 bytes of µ-law")
        return [PlayAudio(ulaw_to_pcm(ulaw))]

    def _require(self, state: _State) -> None:
        if self._state is not state:
            raise MediaProtocolError("the message does not fit the state of the session")
