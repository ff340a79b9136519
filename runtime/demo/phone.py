"""The demo's telephone: the plain protocol's client, with a word when the bot is heard."""

from __future__ import annotations

from collections.abc import Callable

from adapters.media.base import Message
from adapters.media.clients.base import CallLeg, ClientEvent, PlayAudio
from adapters.media.clients.plain import PlainClient


class ListeningPhone(PlainClient):
    """One stream of the plain protocol.

    Args:
        leg: The call.
        on_audio: Called for each message of the bot's audio; returns at once.
    """

    def __init__(self, leg: CallLeg, on_audio: Callable[[], None]) -> None:
        super().__init__(leg)
        self._on_audio = on_audio

    def receive(self, message: Message) -> list[ClientEvent]:
        """Take a message; see `MediaClient.receive`."""
        events = super().receive(message)
        if any(isinstance(event, PlayAudio) for event in events):
            self._on_audio()
        return events
