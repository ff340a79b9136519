"""A `MediaOutput` in a pipeline, and phones that it plays to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from pipecat.frames.frames import (
    DataFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.utils.text.base_text_aggregator import TextType

from models.turn import TurnRecord, TurnTrigger
from pipelines.failover.failures import Seat
from pipelines.failover.stall_watch import StallLimits, StallWatch
from pipelines.media.output import TICK_MS, MediaOutput
from pipelines.turns.ledger import TurnLedger
from tests.pipelines.calls import Phone, now
from tests.standins.pipeline import Pipe, piped
from tests.support.virtual_time import VirtualClockLoop

RATE_HZ = 8_000
FRAME_BYTES = 320
LOOK_AHEAD_MS = 200
LEAST_AHEAD_MS = LOOK_AHEAD_MS - TICK_MS - 0.001
"""What is left of the look-ahead when it is filled up again."""
MOST_AFTER_A_STALL_MS = LOOK_AHEAD_MS + 2 * 20
"""The look-ahead, what a whole frame goes over it, and the frame that the stall held up."""
FOUR = "one two three four"
FIRST_PTS = 77_000_000_000


@dataclass
class Note(DataFrame):
    """A frame that belongs at its place in the audio."""

    text: str = ""


class SlowPhone(Phone):
    """A phone whose socket takes no audio for a while.

    Attributes:
        stall_s: How long the next frame takes, seconds.
        stalled: Set while a frame is taken so slowly.
    """

    def __init__(self, rate_hz: int = RATE_HZ) -> None:
        super().__init__(rate_hz, delay_s=0.0)
        self.stall_s = 0.0
        self.stalled = asyncio.Event()

    async def play(self, pcm: bytes) -> None:
        stall_s, self.stall_s = self.stall_s, 0.0
        if stall_s:
            self.stalled.set()
            await asyncio.sleep(stall_s)
        await super().play(pcm)


class Hour(Phone):
    """A phone that keeps no audio and takes large frames, so that an hour is cheap.

    Attributes:
        dry_s: How long it had nothing to play in the middle of speech, seconds.
    """

    frame_ms = 100

    def __init__(self, rate_hz: int = RATE_HZ) -> None:
        super().__init__(rate_hz, delay_s=0.0)
        self.dry_s = 0.0
        self._until_s = 0.0
        self._received_s = 0.0

    @property
    def unplayed_ms(self) -> float:
        return max(0.0, self._until_s - now()) * 1000

    @property
    def played_s(self) -> float:
        """How much of the speech was played, seconds."""
        return self._received_s - self.unplayed_ms / 1000

    async def play(self, pcm: bytes) -> None:
        if self._received_s and now() > self._until_s + 1e-6:
            self.dry_s += now() - self._until_s
        length_s = len(pcm) / 2 / self.sample_rate_hz
        self._until_s = max(now(), self._until_s) + length_s
        self._received_s += length_s

    async def mark(self, name: str) -> None:
        asyncio.get_running_loop().call_at(self._until_s, self.on_mark, name)


class StallingLoop(VirtualClockLoop):
    """A loop on virtual time whose process can be stopped for a while."""

    def __init__(self) -> None:
        self._stalled_s = 0.0
        super().__init__()

    def time(self) -> float:
        """Virtual seconds."""
        return super().time() + self._stalled_s

    def stall(self, seconds: float) -> None:
        """Let time pass in which nothing runs."""
        self._stalled_s += seconds


def stall(seconds: float) -> None:
    """Stop the running loop, which is a `StallingLoop`, for a while."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, StallingLoop)
    loop.stall(seconds)


def run(scenario: Coroutine[Any, Any, None]) -> None:
    """Run on a `StallingLoop`."""
    with asyncio.Runner(loop_factory=StallingLoop) as runner:
        runner.run(scenario)


class Bot:
    """A `MediaOutput` in a pipeline, and what it is given as a voice gives it."""

    def __init__(self, phone: Phone) -> None:
        self.phone = phone
        self.records: list[TurnRecord] = []
        self.stalls: list[Seat] = []
        self.ledger = TurnLedger(now, self.records.append)
        self.watchdog = StallWatch(StallLimits(5.0, 5.0, 5.0), self.stalls.append)
        self.output = MediaOutput(phone, self.ledger, watch=self.watchdog, look_ahead_ms=LOOK_AHEAD_MS)
        phone.on_mark = self.output.mark_reached
        self.pipe: Pipe

    async def says(self, pcm: bytes, *words: tuple[str, float], rate_hz: int = RATE_HZ, ends: bool = True) -> None:
        """Speak, with the words' times in seconds."""
        await self.pipe.send(TTSStartedFrame())
        for text, start_s in words:
            word = TTSTextFrame(text, text_type=TextType.WORD)
            word.pts = FIRST_PTS + int(start_s * 1e9)
            await self.pipe.send(word)
        await self.audio(pcm, rate_hz)
        if ends:
            await self.pipe.send(TTSStoppedFrame())

    async def audio(self, pcm: bytes, rate_hz: int = RATE_HZ) -> None:
        for start in range(0, len(pcm), rate_hz // 10 * 2):
            await self.pipe.send(TTSAudioRawFrame(pcm[start : start + rate_hz // 10 * 2], rate_hz, 1))

    def heard_words(self) -> list[str]:
        return [frame.text for frame in self.pipe.down.of(TTSTextFrame)]


@asynccontextmanager
async def bot(phone: Phone | None = None) -> AsyncIterator[Bot]:
    made = Bot(phone or Phone(RATE_HZ, delay_s=0.0))
    async with piped(made.output, RATE_HZ) as made.pipe:
        made.ledger.media_started()
        made.ledger.begin(TurnTrigger.GREETING)
        yield made
    made.phone.hang_up()
    made.watchdog.stop()


def tone(seconds: float, rate_hz: int = RATE_HZ) -> bytes:
    return (np.arange(1, int(seconds * rate_hz) + 1) % 30_000).astype(np.int16).tobytes()


def sent(phone: Phone) -> bytes:
    return b"".join(pcm for _, pcm in phone.sent)


def gaps(phone: Phone) -> list[float]:
    """Silences between the frames as the caller hears them, seconds."""
    ends = [start_s + len(pcm) / 2 / phone.sample_rate_hz for start_s, pcm in phone.heard]
    silences = [start_s - end_s for (start_s, _), end_s in zip(phone.heard[1:], ends, strict=False)]
    return [round(silence_s, 3) for silence_s in silences if silence_s > 0.001]
