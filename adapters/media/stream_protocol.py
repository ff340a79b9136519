"""What every protocol does with a message that breaks it, on top of its stream's life."""

from __future__ import annotations

from abc import abstractmethod

from adapters.media.base import MediaEvent, MediaProtocol, Message
from adapters.media.stream_life import StreamLife, Verb
from models.errors import MediaProtocolError


class StreamProtocol(MediaProtocol):
    """A protocol whose stream is over after a fatal error."""

    def __init__(self) -> None:
        self._life = StreamLife()

    def receive(self, message: Message) -> list[MediaEvent]:
        """Take one received message; see `MediaProtocol.receive`."""
        try:
            return self._take(message)
        except MediaProtocolError as error:
            if error.fatal:
                self._life.move(Verb.BREAK)
            raise

    @abstractmethod
    def _take(self, message: Message) -> list[MediaEvent]:
        """Read one message.

        Raises:
            MediaProtocolError: The message breaks the protocol.
        """
