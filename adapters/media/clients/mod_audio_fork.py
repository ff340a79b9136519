"""The side of FreeSWITCH's mod_audio_fork.

Source: https://github.com/jambonz/freeswitch-modules/tree/main/mod_audio_fork
"""

from __future__ import annotations

import json
from typing import Any, ClassVar, Final

from adapters.media import wire
from adapters.media.base import Message
from adapters.media.clients.base import CallLeg, Clear, ClientEvent, Mark, PlayAudio
from adapters.media.clients.l16_client import L16Client
from adapters.media.codecs import PCM_SAMPLE_BYTES
from adapters.media.fork_marks import MAX_PENDING
from adapters.media.mod_audio_fork import ModAudioForkProtocol, without_markers
from models.errors import MediaProtocolError

_HEARD: Final = frozenset({"transcription", "transfer", "error", "json"})
"""What becomes an event in FreeSWITCH and nothing else."""


class ModAudioForkClient(L16Client):
    """One stream of the module.

    What the module would drop silently, or take for something else, is an error here: a 31st pending mark and samples
    of the value that stands for a mark.
    """

    name: ClassVar[str] = ModAudioForkProtocol.name
    subprotocol: ClassVar[str | None] = ModAudioForkProtocol.subprotocol

    def __init__(self, leg: CallLeg, metadata: str | None = None) -> None:
        super().__init__(leg, metadata)
        self._aside = b""
        self._pending_marks: list[str] = []
        self._cleared: set[str] = set()

    def send_mark_reached(self, name: str) -> list[Message]:
        """``mark`` with ``playout``, or ``cleared`` when a ``killAudio`` came before it was reached."""
        event = "cleared" if name in self._cleared else "playout"
        self._cleared.discard(name)
        if name in self._pending_marks:
            self._pending_marks.remove(name)
        return [json.dumps({"type": "mark", "data": {"name": name, "event": event}})]

    def receive(self, message: Message) -> list[ClientEvent]:
        """Take audio, ``mark`` or ``killAudio``; see `MediaClient.receive`."""
        if isinstance(message, bytes):
            return self._play(message)
        document = wire.json_object(message)
        type_ = document.get("type")
        if type_ == "mark":
            return [self._mark(wire.name(wire.section(document.get("data")).get("name")))]
        if type_ == "killAudio":
            self._cleared.update(self._pending_marks)
            return [Clear()]
        return self._command(type_, document)

    def _command(self, type_: object, document: dict[str, Any]) -> list[ClientEvent]:
        """Take a command that is not about audio.

        Raises:
            MediaProtocolError: The module knows no such command.
        """
        del document
        if type_ in _HEARD or type_ == "disconnect":
            return []  # An event for the operator's application; the call goes on.
        raise MediaProtocolError("unknown command")

    def _mark(self, name: str) -> Mark:
        if len(self._pending_marks) >= MAX_PENDING:
            raise MediaProtocolError("more marks are pending than the module holds")
        self._pending_marks.append(name)
        return Mark(name)

    def _play(self, message: bytes) -> list[ClientEvent]:
        if len(message) > wire.MAX_MESSAGE_CHARS:
            raise MediaProtocolError("the message is too long")
        message = self._aside + message
        whole = len(message) - len(message) % PCM_SAMPLE_BYTES
        pcm, self._aside = message[:whole], message[whole:]
        if without_markers(pcm) != pcm:
            raise MediaProtocolError("a sample of the value -1 is taken for a mark")
        return [PlayAudio(pcm)] if pcm else []
