"""The phone system's side of Vonage Voice API WebSockets: what Vonage sends and accepts.

Source: https://developer.vonage.com/en/voice/voice-api/concepts/websockets
"""

from __future__ import annotations

import json
from typing import ClassVar, Final

from adapters.media import wire
from adapters.media.base import Message
from adapters.media.clients.base import CallLeg, Clear, ClientEvent, Mark, MediaClient, PlayAudio, one_digit
from adapters.media.codecs import PCM_SAMPLE_BYTES, require_whole_samples
from adapters.media.vonage import CALL_ID_HEADERS, FRAME_MS, SAMPLE_RATES_HZ
from models.errors import InvalidField, MediaProtocolError

DTMF_MS: Final = 260
"""How long a key is said to be pressed, milliseconds."""


class VonageClient(MediaClient):
    """One WebSocket leg as Vonage plays it.

    The call's id and the numbers, which Vonage itself does not send, go along as headers of the endpoint. Audio leaves
    in frames of exactly 20 ms, the last one filled with silence. The stream ends without a message.
    """

    name: ClassVar[str] = "vonage"

    def __init__(self, leg: CallLeg) -> None:
        super().__init__(leg)
        if leg.sample_rate_hz not in SAMPLE_RATES_HZ:
            raise InvalidField("sample_rate_hz", "the WebSocket runs at 8000 or 16000 Hz")
        self._frame_bytes = leg.sample_rate_hz * FRAME_MS // 1000 * PCM_SAMPLE_BYTES
        self._pending = b""

    def opening(self) -> list[Message]:
        """``websocket:connected``."""
        leg = self.leg
        own = ((CALL_ID_HEADERS[0], leg.call_id), ("from", leg.from_), ("to", leg.to))
        headers = {**{name: value for name, value in own if value}, **leg.parameters}
        content_type = f"audio/l16;rate={leg.sample_rate_hz}"
        return [json.dumps({**headers, "event": "websocket:connected", "content-type": content_type})]

    def send_audio(self, pcm: bytes) -> list[Message]:
        """Binary messages of 20 ms; see `MediaClient.send_audio`."""
        require_whole_samples(pcm)
        pcm = self._pending + pcm
        size = self._frame_bytes
        whole = len(pcm) - len(pcm) % size
        self._pending = pcm[whole:]
        return [pcm[at : at + size] for at in range(0, whole, size)]

    def send_dtmf(self, digit: str) -> list[Message]:
        """``websocket:dtmf``; see `MediaClient.send_dtmf`."""
        return [json.dumps({"event": "websocket:dtmf", "digit": one_digit(digit), "duration": DTMF_MS})]

    def send_mark_reached(self, name: str) -> list[Message]:
        """``websocket:notify``."""
        return [json.dumps({"event": "websocket:notify", "payload": {"name": name}})]

    def send_cleared(self) -> list[Message]:
        """``websocket:cleared``."""
        return [json.dumps({"event": "websocket:cleared"})]

    def send_stop(self, reason: str = "") -> list[Message]:
        """The rest of the audio; the socket's close is the end."""
        del reason
        pending, self._pending = self._pending, b""
        return [pending.ljust(self._frame_bytes, b"\0")] if pending else []

    def receive(self, message: Message) -> list[ClientEvent]:
        """Take audio, ``clear`` or ``notify``; see `MediaClient.receive`."""
        if isinstance(message, bytes):
            if len(message) != self._frame_bytes:
                raise MediaProtocolError("a message must hold 20 ms of audio")
            return [PlayAudio(message)]
        document = wire.json_object(message)
        action = document.get("action")
        if action == "clear":
            return [Clear()]
        if action == "notify":
            return [Mark(wire.name(wire.section(document.get("payload")).get("name")))]
        raise MediaProtocolError("unknown action")
