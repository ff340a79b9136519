"""Media out: paces the bot's audio to the phone system and keeps track of what the caller has heard.

Pipecat's own output sends each chunk just in time and never catches up after a stall; this one keeps a short, bounded
look-ahead at the phone system and refills it after a stall. Frames that belong to the audio (words, the end of an
answer, tool results) are passed on when the audio before them was heard, so that the conversation holds what the caller
heard and not what was synthesised.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

import numpy as np
import soxr
from pipecat.frames.frames import (
    AggregatedTextFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EndFrame,
    Frame,
    FunctionCallResultFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    OutputAudioRawFrame,
    StartFrame,
    SystemFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.utils.text.base_text_aggregator import TextType

from pipelines.playout import Playout
from pipelines.reply_watch import HangupFrame
from pipelines.reply_watchdog import ReplyWatchdog
from pipelines.spoken_text import SpokenText, SpokenWord
from pipelines.turn_ledger import TurnLedger

_TICK_S = 0.02
_MARK_EVERY_MS = 1_000.0
_LOST_STOP_S = 1.0
"""Silence after which an answer counts as ended although its voice never said so, seconds."""

_LAST_MARK_S = 1.0
"""How long the end of the call waits for the mark behind the last words, seconds; some phone systems echo none."""


class MediaSink(Protocol):
    """Where the audio goes: a call's socket, behind its media protocol."""

    @property
    def sample_rate_hz(self) -> int:
        """Rate of the audio, Hz."""

    @property
    def frame_ms(self) -> int:
        """Duration of one message's audio, milliseconds."""

    async def play(self, pcm: bytes) -> None:
        """Send one frame of 16-bit mono PCM. Bounded in time; never raises."""

    async def mark(self, name: str) -> None:
        """Ask for an echo once everything so far was played. Bounded in time; never raises."""

    async def clear(self) -> None:
        """Tell the phone system to drop what it has not played. Bounded in time; never raises."""


class MediaOutput(FrameProcessor):
    """Plays the bot's audio.

    Args:
        sink: Where it goes.
        ledger: Gets the times of the answer.
        watchdog: Gets the voice's signs of life.
        look_ahead_ms: How much audio may lie unplayed at the phone system.
    """

    def __init__(
        self,
        sink: MediaSink,
        ledger: TurnLedger,
        *,
        watchdog: ReplyWatchdog,
        look_ahead_ms: int = 200,
    ) -> None:
        super().__init__()
        self._sink = sink
        self._ledger = ledger
        self._watchdog = watchdog
        self._rate_hz = sink.sample_rate_hz
        self._frame_bytes = self._rate_hz * sink.frame_ms // 1000 * 2
        self._playout: Playout[tuple[Frame, SpokenText | None]] = Playout(self._rate_hz, look_ahead_ms)
        self._texts: list[SpokenText] = []
        self._text: SpokenText | None = None
        self._sentence_start_ms = 0.0
        self._first_word_pts: int | None = None
        self._resampler: soxr.ResampleStream | None = None
        self._resampler_rate_hz = 0
        self._speaking = False
        self._ending = False
        self._next_mark_ms = _MARK_EVERY_MS
        self._marks = 0
        self._last_audio_s = 0.0
        self._hangup: HangupFrame | None = None
        self._hangup_by_s = 0.0
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def mark_reached(self, name: str) -> None:
        """Take a mark that the phone system echoed."""
        self._playout.clock.mark_reached(name, self._now())
        self._wake.set()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Take the bot's audio and everything that belongs to it; pass on the rest."""
        await super().process_frame(frame, direction)
        if isinstance(frame, StartFrame):
            self._task = self.create_task(self._run())
            await self.push_frame(frame, direction)
        elif isinstance(frame, InterruptionFrame):
            await self._flush()
            await self.push_frame(frame, direction)
        elif isinstance(frame, (CancelFrame, EndFrame)):
            await self._stop()
            await self.push_frame(frame, direction)
        elif direction is FrameDirection.UPSTREAM or isinstance(frame, SystemFrame):
            await self.push_frame(frame, direction)
        else:
            was_idle = self._playout.idle
            self._queue(frame)
            if was_idle or not self._speaking:
                self._wake.set()

    async def cleanup(self) -> None:
        """Stop playing."""
        await self._stop()
        await super().cleanup()  # type: ignore[no-untyped-call]

    # Frames that belong to the audio.

    def _queue(self, frame: Frame) -> None:
        match frame:
            case OutputAudioRawFrame():
                self._ledger.audio_arrived()
                self._watchdog.audio()
                self._last_audio_s = self._now()
                self._playout.queue_audio(self._resampled(frame))
            case TTSStartedFrame():
                self._open_text()
                self._playout.queue_item((frame, None))
            case TTSTextFrame():
                self._queue_text(frame)
            case TTSStoppedFrame():
                self._end_audio()
                self._ending = True
                text, self._text = self._text, None
                if text is not None:
                    text.finish(self._playout.end_ms)
                self._playout.queue_item((frame, text))
            case AggregatedTextFrame() if frame.will_be_spoken:
                # Only announces a sentence; its audio begins here.
                self._sentence_start_ms = self._playout.end_ms
            case _:
                self._playout.queue_item((frame, None))

    def _open_text(self) -> SpokenText:
        self._text = SpokenText(self._playout.end_ms)
        self._texts.append(self._text)
        self._sentence_start_ms = self._playout.end_ms
        self._first_word_pts = None
        return self._text

    def _queue_text(self, frame: TTSTextFrame) -> None:
        text = self._text or self._open_text()
        if not frame.append_to_context:
            return
        if frame.pts:
            if self._first_word_pts is None:
                self._first_word_pts = frame.pts
            offset_ms = (frame.pts - self._first_word_pts) / 1e6
            text.timed(frame.text, word_start_ms=text.start_ms + offset_ms, spaced=frame.includes_inter_frame_spaces)
        else:
            end_ms = self._playout.end_ms
            text.sentence(frame.text, audio_start_ms=self._sentence_start_ms, audio_end_ms=end_ms)
            self._sentence_start_ms = end_ms

    def _resampled(self, frame: OutputAudioRawFrame) -> bytes:
        if frame.sample_rate == self._rate_hz:
            return frame.audio
        if self._resampler is None or self._resampler_rate_hz != frame.sample_rate:
            self._resampler = soxr.ResampleStream(frame.sample_rate, self._rate_hz, 1, dtype="int16")
            self._resampler_rate_hz = frame.sample_rate
        samples = np.frombuffer(frame.audio, dtype=np.int16)
        return bytes(self._resampler.resample_chunk(samples).tobytes())

    def _end_audio(self) -> None:
        if self._resampler is not None:
            tail = self._resampler.resample_chunk(np.zeros(0, dtype=np.int16), last=True)
            self._playout.queue_audio(tail.tobytes())
            self._resampler = None
        self._playout.pad(self._frame_bytes)

    # Playing.

    async def _run(self) -> None:
        """Tick every 20 ms while there is something to play, and at once when audio comes into a silence."""
        loop = asyncio.get_running_loop()
        next_tick_s = self._now()
        while True:
            self._wake.clear()
            if self._playout.idle and not self._speaking and self._hangup is None:
                await self._wake.wait()
                next_tick_s = self._now()
            else:
                timer = loop.call_at(next_tick_s, self._wake.set)
                await self._wake.wait()
                timer.cancel()
            await self._tick()
            # Whoever woke it early (a mark, a flush) does not put off the next tick.
            while next_tick_s <= self._now():
                next_tick_s += _TICK_S

    async def _tick(self) -> None:
        for pcm in self._playout.due_audio(self._now(), self._frame_bytes):
            if not self._speaking:
                self._speaking = True
                self._ledger.audio_sent()
                await self.broadcast_frame(BotStartedSpeakingFrame)
            await self._sink.play(pcm)
            if self._playout.clock.sent_ms >= self._next_mark_ms:
                await self._mark()
        if self._ending and self._playout.clock.sent_ms >= self._playout.end_ms:
            self._ending = False
            await self._mark()
        await self._release()
        if self._hangup is not None and (not self._playout.clock.awaits_mark or self._now() >= self._hangup_by_s):
            hangup, self._hangup = self._hangup, None
            await self.push_frame(hangup)
        # A voice that breaks off never says that it stopped.
        silent_s = self._now() - self._last_audio_s
        if self._speaking and self._playout.idle and silent_s > _LOST_STOP_S and self._heard_all():
            await self._stopped_speaking()

    async def _release(self) -> None:
        """Pass on what the caller has heard by now, in order."""
        heard_ms = self._playout.clock.heard_ms(self._now())
        for text in self._texts:
            for word in text.heard_by(heard_ms):
                await self._push_word(word)
        for frame, stopped_text in self._playout.due_items(self._now()):
            if isinstance(frame, HangupFrame):
                # The socket closes after it, so a guess at what was heard is not good enough.
                self._hangup, self._hangup_by_s = frame, self._now() + _LAST_MARK_S
                continue
            if not isinstance(frame, TTSStoppedFrame):
                await self.push_frame(frame)
                if isinstance(frame, (LLMFullResponseEndFrame, FunctionCallResultFrame)) and not self._speaking:
                    # The answer may have had no words; the caller's silence counts from here all the same.
                    await self.push_frame(BotStoppedSpeakingFrame(), FrameDirection.UPSTREAM)
                continue
            if stopped_text is not None:
                for word in stopped_text.rest():
                    await self._push_word(word)
                self._texts.remove(stopped_text)
            await self.push_frame(frame)
            if self._heard_all():
                await self._stopped_speaking()

    def _heard_all(self) -> bool:
        clock = self._playout.clock
        return self._playout.end_ms - clock.heard_ms(self._now()) < 1.0

    async def _push_word(self, word: SpokenWord) -> None:
        self._ledger.heard(word.text)
        frame = TTSTextFrame(word.text, text_type=TextType.WORD)
        frame.includes_inter_frame_spaces = word.spaced
        await self.push_frame(frame)

    async def _mark(self) -> None:
        self._marks += 1
        self._next_mark_ms = self._playout.clock.sent_ms + _MARK_EVERY_MS
        name = f"m{self._marks}"
        self._playout.clock.mark_sent(name)
        await self._sink.mark(name)

    async def _flush(self) -> None:
        # What was heard since the last tick is not passed on: the interruption would overtake it and drop it.
        now = self._now()
        sent_unheard = self._playout.clock.sent_ms - self._playout.clock.heard_ms(now) > 0
        waiting = self._playout.flush(now)
        self._texts.clear()
        self._text = None
        self._resampler = None
        self._ending = False
        if sent_unheard:
            await self._sink.clear()
            self._ledger.cleared()
        for frame, _ in waiting:
            if not frame.interruptible:
                await self.push_frame(frame)
        if self._speaking:
            await self._stopped_speaking()
        self._wake.set()

    async def _stopped_speaking(self) -> None:
        self._speaking = False
        self._ledger.bot_stopped()
        await self.broadcast_frame(BotStoppedSpeakingFrame)

    async def _stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            await self.cancel_task(task)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
