"""The models that all calls of a process share, loaded once."""

from __future__ import annotations

from pipelines.silero import SileroSession, SileroStream
from pipelines.smart_turn import SmartTurnEngine


class InferenceEngine:
    """One Silero and one Smart Turn session for every call of the process.

    Making it loads both models (about 80 ms), so a server makes it before it listens; a call then loads nothing.
    """

    def __init__(self) -> None:
        self._silero = SileroSession()
        self.smart_turn = SmartTurnEngine()

    def vad_stream(self, sample_rate_hz: int) -> SileroStream:
        """Return a new call's place on the shared VAD model.

        Raises:
            ValueError: The model has no such sample rate.
        """
        return SileroStream(sample_rate_hz, self._silero)

    async def aclose(self) -> None:
        """Release the models' threads."""
        await self.smart_turn.aclose()
