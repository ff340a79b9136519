"""jambonz' ``listen`` verb with bidirectional streaming, as the WebSocket server.

It is FreeSWITCH's mod_audio_fork (see `adapters.media.mod_audio_fork`) with rules of its own: the first text message
always holds the call's attributes and the rate of the audio, no other text comes than marks, keys (``passDtmf``) and
``playDone``, and ``disconnect`` ends the verb, so that the call ends where nothing follows in the application.

The verb needs ``bidirectionalAudio`` with ``enabled`` and ``streaming`` true and the same ``sampleRate`` as the verb's,
8000 or 16000, and ``mixType`` mono. Without ``streaming``, which is the default, the caller hears nothing.

Source: https://docs.jambonz.org/verbs/verbs/listen
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Final

from adapters.media import wire
from adapters.media.base import MediaCapabilities, MediaEvent, Message
from adapters.media.mod_audio_fork import ModAudioForkProtocol
from models.errors import MediaProtocolError

_ATTRIBUTES: Final = frozenset({"callSid", "direction", "sampleRate", "mixType"})
_KNOWN: Final = frozenset({("type", "mark"), ("event", "dtmf"), ("type", "playDone")})


class JambonzProtocol(ModAudioForkProtocol):
    """One ``listen`` of jambonz. Stream and call are its ``callSid``; customer data are custom parameters too."""

    name: ClassVar[str] = "jambonz"
    label: ClassVar[str] = "jambonz listen"
    capabilities: ClassVar[MediaCapabilities] = replace(
        ModAudioForkProtocol.capabilities, hangup_in_band=True, goodbye_s=2.0
    )
    subprotocol: ClassVar[str | None] = "audio.jambonz.org"

    @classmethod
    def matches_message(cls, message: Message) -> bool:
        """Say whether this is a call's attributes and the verb's rate and mix."""
        return wire.peek(message).keys() >= _ATTRIBUTES

    def send_hangup(self) -> list[Message]:
        """End the verb."""
        return ['{"type":"disconnect"}'] if self._life.is_open else []

    def _read_first(self, message: Message) -> dict[str, str]:
        if isinstance(message, bytes):
            raise MediaProtocolError("the stream has not started")
        document = wire.json_object(message)
        attributes = wire.plain_parameters(document)
        if not attributes.get("callSid") or not attributes.get("sampleRate"):
            raise MediaProtocolError("the first message must hold callSid and sampleRate")
        return {**wire.plain_parameters(document.get("customerData")), **attributes}

    def _said(self, document: dict[str, Any]) -> list[MediaEvent]:
        if not any(document.get(key) == value for key, value in _KNOWN):
            raise MediaProtocolError("unknown message")
        return super()._said(document)
