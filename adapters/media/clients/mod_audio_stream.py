"""The side of FreeSWITCH's mod_audio_stream.

Source: https://github.com/amigniter/mod_audio_stream
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from adapters.media import wire
from adapters.media.base import Message
from adapters.media.clients.base import ClientEvent, PlayAudio
from adapters.media.clients.l16_client import L16Client
from adapters.media.codecs import PCM_SAMPLE_BYTES
from adapters.media.mod_audio_stream import ModAudioStreamProtocol
from models.errors import MediaProtocolError


class ModAudioStreamClient(L16Client):
    """One stream of the module, from 1.0.3: it plays binary audio and ``streamAudio``, at the stream's own rate."""

    name: ClassVar[str] = ModAudioStreamProtocol.name

    @property
    def query(self) -> Mapping[str, str]:
        """Protocol and rate, of which nothing on the wire tells."""
        return {**super().query, "protocol": self.name}

    def receive(self, message: Message) -> list[ClientEvent]:
        """Take audio in either form; see `MediaClient.receive`."""
        if len(message) > ModAudioStreamProtocol.capabilities.max_message_bytes:
            raise MediaProtocolError("a message this long breaks the connection")
        if isinstance(message, str):
            document = wire.json_object(message)
            data = wire.section(document.get("data"))
            if document.get("type") != "streamAudio" or data.get("audioDataType") != "raw":
                raise MediaProtocolError("unknown message")
            if data.get("sampleRate") != self.leg.sample_rate_hz:
                raise MediaProtocolError("audio at another rate than the stream's")
            message = wire.base64_bytes(data.get("audioData"))
        if not message or len(message) % PCM_SAMPLE_BYTES:
            raise MediaProtocolError("audio must be whole 16-bit samples")
        return [PlayAudio(message)]
