"""The models that all calls of a process share, loaded once."""

from __future__ import annotations

from pipelines.vad.engine import VadEngine
from pipelines.vad.silero import SileroSession
from pipelines.vad.smart_turn import SmartTurnEngine


class InferenceEngine:
    """One Silero and one Smart Turn session for every call of the process.

    Making it loads both models (about 80 ms), so a server makes it before it listens; a call then loads nothing.

    Args:
        threaded: Whether voice activity is scored on a thread (see `VadEngine`).

    Attributes:
        vad: Voice activity of all calls.
        smart_turn: The end of turns of all calls.
    """

    def __init__(self, *, threaded: bool = True) -> None:
        self.vad = VadEngine(SileroSession(), threaded=threaded)
        self.smart_turn = SmartTurnEngine()

    def busy(self) -> float:
        """Return the share of the last seconds in which the busier of the two threads worked, in [0, 1]."""
        return max(self.vad.busy.share(), self.smart_turn.busy.share())

    async def aclose(self) -> None:
        """Release the models' threads."""
        self.vad.close()
        await self.smart_turn.aclose()
