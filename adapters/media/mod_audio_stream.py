"""FreeSWITCH's mod_audio_stream, as the WebSocket server.

``uuid_audio_stream <uuid> start <url> mono 16k <metadata>``: linear 16-bit audio in, see `adapters.media.l16_stream`.
What goes back depends on the edition:

- From 1.0.3 (commercial, free for ten channels), with the channel variables ``STREAM_PLAYBACK=true`` and
  ``STREAM_SAMPLE_RATE`` at the rate of the stream: binary messages of the same audio. This is what is sent.
- With ``playback=json`` in the URL: ``streamAudio`` messages with base64, for installations without
  ``STREAM_SAMPLE_RATE``. The commercial edition plays them; the community edition only writes each to a file and
  raises an event, so that the caller hears what the operator's application plays of it.

There are no marks, and only patched builds can be told to drop audio: little is sent ahead. Messages stay below 8192
bytes, since long ones break the connection. Closing the socket ends the stream, not the call.

Source: https://github.com/amigniter/mod_audio_stream (README and issues 72 and 87)
"""

from __future__ import annotations

from binascii import b2a_base64
from typing import ClassVar, Final

from adapters.media.base import Handshake, MarkPolicy, MediaCapabilities, Message
from adapters.media.l16_stream import L16Stream, read_metadata

PLAYBACK_PARAMETER: Final = "playback"
"""Query parameter of the URL: ``json`` to send audio as ``streamAudio``."""

_LONGEST_MS: Final = 160


class ModAudioStreamProtocol(L16Stream):
    """One stream of mod_audio_stream. It is found by ``protocol=`` alone: nothing on its wire is its own."""

    name: ClassVar[str] = "mod_audio_stream"
    label: ClassVar[str] = "FreeSWITCH mod_audio_stream"
    capabilities: ClassVar[MediaCapabilities] = MediaCapabilities(
        marks=MarkPolicy.NONE, flush=False, look_ahead_ms=100, max_audio_ms=_LONGEST_MS, max_message_bytes=8_192
    )

    def __init__(self, *args: Handshake) -> None:
        super().__init__(*args)
        self._as_json = self._query.get(PLAYBACK_PARAMETER) == "json"

    @classmethod
    def matches_handshake(cls, handshake: Handshake) -> bool:
        """Never: the upgrade request has nothing of its own."""
        del handshake
        return False

    @classmethod
    def matches_message(cls, message: Message) -> bool:
        """Never: the first message is the operator's."""
        del message
        return False

    def send_audio(self, pcm: bytes) -> list[Message]:
        """Play audio; see `MediaProtocol.send_audio`. One message for each 160 ms or part of it."""
        pieces = self._pieces(pcm, _LONGEST_MS)
        return [self._stream_audio(piece) for piece in pieces] if self._as_json else [*pieces]

    def send_mark(self, name: str) -> list[Message]:
        """Nothing: the protocol has no marks."""
        del name
        return []

    def send_clear(self) -> list[Message]:
        """Nothing: the module has no command for it."""
        return []

    def _read_first(self, message: Message) -> dict[str, str]:
        return read_metadata(message)

    def _stream_audio(self, pcm: bytes) -> str:
        payload = b2a_base64(pcm, newline=False).decode("ascii")
        return (
            f'{{"type":"streamAudio","data":{{"audioDataType":"raw","sampleRate":{self._sample_rate_hz},'
            f'"audioData":"{payload}"}}}}'
        )
