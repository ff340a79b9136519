"""FreeSWITCH's mod_audio_fork with bidirectional streaming, as the WebSocket server.

``uuid_audio_fork <uuid> start <url> mono 16k <metadata>`` and its bidirectional arguments: linear 16-bit audio both
ways, see `adapters.media.l16_stream`. Sent as JSON text: ``mark``, which comes back with ``playout`` or ``cleared``,
and ``killAudio``, which drops what is not yet played and gives the pending marks back. The module takes samples of the
value -1 for marks, and holds back up to 80 ms of audio until more comes; so that value is never sent, and audio goes
out in messages of exactly 80 ms, the last one filled with silence.

``disconnect`` does not end the call here: it only raises the module's event of that name, as closing the socket does,
and the operator's application decides. So the socket is closed and nothing is said before.

Source: https://github.com/jambonz/freeswitch-modules/tree/main/mod_audio_fork (README and lws_glue.cpp)
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

import numpy as np

from adapters.media import wire
from adapters.media.base import Handshake, MarkPolicy, MediaCapabilities, MediaEvent, Message
from adapters.media.codecs import PCM_SAMPLE_BYTES
from adapters.media.fork_marks import ForkMarks
from adapters.media.l16_stream import L16Stream, read_metadata

FRAME_MS: Final = 80
"""Audio of one outgoing message, milliseconds: what the module passes on at once."""

_MARKER: Final = -1
_MARKER_BYTES: Final = b"\xff\xff"


class ModAudioForkProtocol(L16Stream):
    """One stream of mod_audio_fork. Text that it does not know is the operator's own and is passed over."""

    name: ClassVar[str] = "mod_audio_fork"
    label: ClassVar[str] = "FreeSWITCH mod_audio_fork"
    capabilities: ClassVar[MediaCapabilities] = MediaCapabilities(
        marks=MarkPolicy.ECHOED, flush=True, frame_ms=FRAME_MS, exact_frames=True
    )
    subprotocol: ClassVar[str | None] = "audio.drachtio.org"

    def __init__(self, *args: Handshake) -> None:
        super().__init__(*args)
        self._marks = ForkMarks()

    @classmethod
    def matches_handshake(cls, handshake: Handshake) -> bool:
        """Say whether the module's subprotocol was offered."""
        return cls.subprotocol in handshake.subprotocols

    @classmethod
    def matches_message(cls, message: Message) -> bool:
        """Never: the first message is the operator's."""
        del message
        return False

    def send_audio(self, pcm: bytes) -> list[Message]:
        """Play audio; see `MediaProtocol.send_audio`. One binary message for each 80 ms or part of it."""
        pieces = self._pieces(pcm, FRAME_MS)
        if not pieces:
            return []
        frame_bytes = self._sample_rate_hz * FRAME_MS // 1000 * PCM_SAMPLE_BYTES
        pieces[-1] = pieces[-1].ljust(frame_bytes, b"\x00")
        return [without_markers(piece) for piece in pieces]

    def send_mark(self, name: str) -> list[Message]:
        """Ask for an echo of ``name`` once everything before it was played, or dropped by `send_clear`."""
        return self._marks.send(name) if self._life.is_open else []

    def send_clear(self) -> list[Message]:
        """Drop everything sent and not yet played."""
        # Not clearMarks as well: it would drop the marks without giving them back.
        return ['{"type":"killAudio"}'] if self._life.is_open else []

    def _read_first(self, message: Message) -> dict[str, str]:
        return read_metadata(message)

    def _said(self, document: dict[str, Any]) -> list[MediaEvent]:
        if document.get("type") == "mark":
            return self._marks.reached(wire.name(wire.section(document.get("data")).get("name")))
        return super()._said(document)


def without_markers(pcm: bytes) -> bytes:
    """Return audio without samples of the value that the module takes for marks; they become 0.

    Args:
        pcm: Whole samples of 16-bit signed little-endian PCM.
    """
    if _MARKER_BYTES not in pcm:
        return pcm
    samples = np.frombuffer(pcm, dtype="<i2")
    return np.where(samples == _MARKER, np.int16(0), samples).astype("<i2", copy=False).tobytes()
