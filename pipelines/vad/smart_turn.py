"""Smart Turn v3 on one model for all calls of a process: has the caller finished, or only paused?

Pipecat's ``LocalSmartTurnAnalyzerV3`` loads a model for every instance (about 40 ms and 30 MB). Here one instance
serves every call through its public methods: each call keeps its own audio (`TurnAudio`) and hands it over for one
inference at a time. The inference runs on the analyzer's own thread, so the event loop goes on.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from time import perf_counter

from pipecat.audio.turn.smart_turn.local_smart_turn_v3 import LocalSmartTurnAnalyzerV3
from pipecat.metrics.metrics import TurnMetricsData

from pipelines.vad.busy import BusyTime

_LONGEST_S = 8.0
"""The model's window, seconds; older audio is not looked at."""
_PRE_SPEECH_S = 0.5
"""How much audio before the speech the model was trained to see, seconds."""


@dataclass(slots=True)
class SmartTurnLoad:
    """What the engine has done, counted since it began.

    Attributes:
        inferences: Verdicts given.
        dropped: Questions that nobody wanted answered any more when their turn came or while they were answered.
    """

    inferences: int = 0
    dropped: int = 0


class SmartTurnEngine:
    """The loaded model. Calls take turns, first come, first served; a call has one question open at most.

    An inference takes about 35 ms of a core whatever the length of the audio, on the model's own thread. One that has
    begun cannot be stopped; one that still waits is dropped when whoever asked is cancelled.

    Attributes:
        load: What was done so far.
        busy: How busy the model's thread is.
    """

    def __init__(self) -> None:
        self.load = SmartTurnLoad()
        self.busy = BusyTime()
        self._analyzer = LocalSmartTurnAnalyzerV3(cpu_count=1)
        self._questions: deque[tuple[asyncio.Future[float], bytes, int]] = deque()
        self._work: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many questions wait for their turn."""
        return len(self._questions)

    async def finished(self, pcm: bytes, sample_rate_hz: int) -> float:
        """Return the probability that the speaker has finished.

        Args:
            pcm: The turn so far, 16-bit mono PCM, at most `_LONGEST_S` seconds.
            sample_rate_hz: Its rate, Hz.

        Returns:
            Probability in [0, 1]; above 0.5 means finished. 1.0 for no audio at all.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[float] = loop.create_future()
        self._questions.append((answer, pcm, sample_rate_hz))
        if self._work is None or self._work.done():
            self._work = loop.create_task(self._answer_all(), name="smart turn")
        return await answer

    async def aclose(self) -> None:
        """Stop the model's thread; questions still open are cancelled."""
        for answer, _, _ in self._questions:
            answer.cancel()
        if self._work is not None:
            await asyncio.wait({self._work})
        await self._analyzer.cleanup()

    async def _answer_all(self) -> None:
        while self._questions:
            answer, pcm, sample_rate_hz = self._questions.popleft()
            if answer.done():
                self.load.dropped += 1
                continue
            try:
                probability = await self._infer(pcm, sample_rate_hz)
            except Exception as error:  # noqa: BLE001 - whoever asked gets it
                if not answer.done():
                    answer.set_exception(error)
                continue
            if answer.done():
                self.load.dropped += 1
            else:
                answer.set_result(probability)

    async def _infer(self, pcm: bytes, sample_rate_hz: int) -> float:
        self._analyzer.clear()
        self._analyzer.set_sample_rate(sample_rate_hz)
        self._analyzer.append_audio(pcm, is_speech=True)
        began_s = perf_counter()
        _, metrics = await self._analyzer.analyze_end_of_turn()
        self.busy.add(began_s, perf_counter())
        self.load.inferences += 1
        return metrics.probability if isinstance(metrics, TurnMetricsData) else 1.0


class TurnAudio:
    """The audio of the turn in progress: from shortly before its first speech, the last eight seconds at most.

    Args:
        sample_rate_hz: Rate of the audio, Hz.
        start_secs: The VAD's confirmation time, by which a start is reported late.
    """

    def __init__(self, sample_rate_hz: int, start_secs: float) -> None:
        self._rate_hz = sample_rate_hz
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

    def take(self, silence_s: float = 0.0) -> bytes:
        """Return the turn so far.

        Args:
            silence_s: Silence to add behind it, seconds: the model was trained on turns that end with some.
        """
        silence = bytes(int(silence_s * self._rate_hz) * 2)
        return (b"".join(self._chunks) + silence)[-self._turn_bytes :]
