"""When a vendor has failed often enough that the call cannot go on."""

from __future__ import annotations

from enum import StrEnum


class Seat(StrEnum):
    """Which of the three services."""

    STT = "stt"
    LLM = "llm"
    TTS = "tts"


_TOLERATED = {Seat.STT: 3, Seat.LLM: 1, Seat.TTS: 1}
"""How many failures in a row a seat may have. A recogniser reconnects by itself, so it gets more."""


class FailureCounter:
    """Counts each seat's failures in a row."""

    def __init__(self) -> None:
        self._failures = dict.fromkeys(Seat, 0)

    def failed(self, seat: Seat, *, permanent: bool) -> bool:
        """Count a failure.

        Args:
            seat: Who failed.
            permanent: Whether trying again cannot help (a refused key, say).

        Returns:
            Whether the call cannot go on.
        """
        self._failures[seat] += 1
        return permanent or self._failures[seat] > _TOLERATED[seat]

    def worked(self, seat: Seat) -> None:
        """Forget a seat's failures: it works again."""
        self._failures[seat] = 0
