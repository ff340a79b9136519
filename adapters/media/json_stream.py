"""What media protocols of one JSON object a message have in common, audio in base64 and a stream id in each message.

The order of messages, the stream id and errors are handled here; a protocol brings its own names.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from typing import Any, ClassVar

from adapters.media import wire
from adapters.media.base import MediaEvent, Message, Started
from adapters.media.stream_life import Verb
from adapters.media.stream_protocol import StreamProtocol
from models.errors import MediaProtocolError


class JsonStream(StreamProtocol):
    """One stream of such a protocol.

    A message after the start may lack the stream id; with another one than that of the start it is refused.
    """

    stream_key: ClassVar[str]
    """Name of the stream id in every message."""

    def __init__(self) -> None:
        super().__init__()
        self._stream_id = ""
        self._stream_json = '""'

    def _take(self, message: Message) -> list[MediaEvent]:
        if isinstance(message, bytes):
            raise MediaProtocolError("only text messages are allowed")
        document = wire.json_object(message)
        return self._event(document.get("event"), document)

    @abstractmethod
    def _event(self, event: object, document: dict[str, Any]) -> list[MediaEvent]:
        """Read a message whose ``event`` is this.

        Raises:
            MediaProtocolError: The message breaks the protocol.
        """

    @abstractmethod
    def _read_start(self, document: dict[str, Any]) -> Started:
        """Read the start of the stream.

        Raises:
            MediaProtocolError: It is not what the protocol allows; becomes fatal.
        """

    def _start(self, document: dict[str, Any]) -> list[MediaEvent]:
        self._life.move(Verb.START)
        try:
            started = self._read_start(document)
            if not started.stream_id:
                raise MediaProtocolError("the start has no stream id")
            if document.get(self.stream_key, started.stream_id) != started.stream_id:
                raise MediaProtocolError("the start names two streams")
        except MediaProtocolError as error:
            raise MediaProtocolError(error.message, fatal=True) from error
        self._stream_id = started.stream_id
        self._stream_json = json.dumps(started.stream_id)
        return [started]

    def _move(self, verb: Verb, document: dict[str, Any]) -> None:
        """Take the stream on by a message that belongs to it."""
        if self._life.is_open and document.get(self.stream_key, self._stream_id) != self._stream_id:
            raise MediaProtocolError("the message is for another stream")
        self._life.move(verb)

    def _text(self, body: str) -> list[Message]:
        """Return a message whose JSON is this, while the stream is open."""
        return [body] if self._life.is_open else []
