"""Smart Turn v3 on one model for all calls of a process: has the caller finished, or only paused?

Pipecat's ``LocalSmartTurnAnalyzerV3`` loads a model for every instance (about 40 ms and 30 MB). Here one instance
serves every call through its public methods: each call keeps its own audio (`TurnAudio`) and hands it over for one
inference at a time. The inference runs on the analyzer's own thread, so the event loop goes on.
"""

from __future__ import annotations

import asyncio
from collections import deque

from pipecat.audio.turn.smart_turn.local_smart_turn_v3 import LocalSmartTurnAnalyzerV3
from pipecat.metrics.metrics import TurnMetricsData

_LONGEST_S = 8.0
"""The model's window, seconds; older audio is not looked at."""
_PRE_SPEECH_S = 0.5
"""How much audio before the speech the model was trained to see, seconds."""


class SmartTurnEngine:
    """The loaded model. Calls take turns, first come, first served."""

    def __init__(self) -> None:
        self._analyzer = LocalSmartTurnAnalyzerV3(cpu_count=1)
        self._lock = asyncio.Lock()

    async def finished(self, pcm: bytes, sample_rate_hz: int) -> float:
        """Return the probability that the speaker has finished.

        Args:
            pcm: The turn so far, 16-bit mono PCM, at most `_LONGEST_S` seconds.
            sample_rate_hz: Its rate, Hz.

        Returns:
            Probability in [0, 1]; above 0.5 means finished. 1.0 for no audio at all.
        """
        async with self._lock:
            self._analyzer.clear()
            self._analyzer.set_sample_rate(sample_rate_hz)
            self._analyzer.append_audio(pcm, is_speech=True)
            _, metrics = await self._analyzer.analyze_end_of_turn()
        return metrics.probability if isinstance(metrics, TurnMetricsData) else 1.0

    async def aclose(self) -> None:
        """Stop the model's thread."""
        await self._analyzer.cleanup()


class TurnAudio:
    """The audio of the turn in progress: from shortly before its first speech, the last eight seconds at most.

    Args:
        sample_rate_hz: Rate of the audio, Hz.
        start_secs: The VAD's confirmation time, by which a start is reported late.
    """

    def __init__(self, sample_rate_hz: int, start_secs: float) -> None:
        self._chunks: deque[bytes] = deque()
        self._bytes = 0
        self._in_turn = False
        self._idle_bytes = int((_PRE_SPEECH_S + start_secs) * sample_rate_hz) * 2
        self._turn_bytes = int(_LONGEST_S * sample_rate_hz) * 2

    def append(self, pcm: bytes) -> None:
        """Add the next audio of the stream."""
        self._chunks.append(pcm)
        self._bytes += len(pcm)
        limit = self._turn_bytes if self._in_turn else self._idle_bytes
        while self._bytes - len(self._chunks[0]) >= limit:
            self._bytes -= len(self._chunks.popleft())

    def speech_started(self) -> None:
        """Keep everything from now on: the turn has begun."""
        self._in_turn = True

    def turn_ended(self) -> None:
        """Go back to keeping only what may precede the next turn."""
        self._in_turn = False

    def take(self) -> bytes:
        """Return the turn so far."""
        return b"".join(self._chunks)[-self._turn_bytes :]
