"""Media out: paces the bot's audio to the phone system and keeps track of what the caller has heard.

Pipecat's own output sends each chunk just in time and never catches up after a stall; this one keeps a short, bounded
look-ahead at the phone system and refills it after a stall. Frames that belong to the audio (words, the end of an
answer, tool results) are passed on when the audio before them was heard, so that the conversation holds what the caller
heard and not what was synthesised. Playback can be held while it is unclear whether the caller interrupts.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import Protocol

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
    LLMFullResponseStartFrame,
    OutputAudioRawFrame,
    StartFrame,
    SystemFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.utils.text.base_text_aggregator import TextType

from pipelines.failover.reply_watch import AfterwardsFrame
from pipelines.failover.stall_watch import StallWatch
from pipelines.media.playout import Playout
from pipelines.media.ticker import Ticker
from pipelines.media.voice_rate import VoiceRate
from pipelines.speech.greeting_cache import Recording
from pipelines.speech.spoken_answers import SpokenAnswers
from pipelines.speech.spoken_text import SpokenText, SpokenWord
from pipelines.turns.hold import HoldPlaybackFrame, ResumePlaybackFrame
from pipelines.turns.ledger import TurnLedger

TICK_MS = 40
"""Two frames of most protocols at a time: each wake-up costs as much as a frame."""
_LOST_STOP_S = 1.0
"""Silence after which an answer counts as ended although its voice never said so, seconds."""

_LAST_MARK_S = 1.0
"""How long the end of the call waits for the mark behind the last words, seconds; some phone systems echo none."""

_RECENT_WORDS = 100
"""How many of the last words are kept to tell the bot's own echo from the caller's speech."""


class MediaSink(Protocol):
    """Where the audio goes: a call's socket, behind its media protocol. What is asked for first goes out first."""

    @property
    def sample_rate_hz(self) -> int:
        """Rate of the audio, Hz."""

    @property
    def frame_ms(self) -> int:
        """Duration of one message's audio, milliseconds."""

    @property
    def look_ahead_ms(self) -> int:
        """How much audio may lie unplayed at the phone system, milliseconds."""

    @property
    def echoes_marks(self) -> bool:
        """Whether marks come back."""

    @property
    def has_room(self) -> bool:
        """Whether audio may be sent now; False while the phone system says that its buffer is full."""

    async def play(self, pcm: bytes) -> None:
        """Send one frame of 16-bit mono PCM; returns when it was handed over. Bounded in time; never raises."""

    async def mark(self, name: str) -> None:
        """Ask for an echo once everything so far was played. Bounded in time; never raises."""

    async def clear(self) -> None:
        """Tell the phone system to drop what it has not played. Bounded in time; never raises."""


class MediaOutput(FrameProcessor):
    """Plays the bot's audio.

    Args:
        sink: Where it goes.
        ledger: Gets the times of the answer.
        watch: Gets the voice's signs of life.
        look_ahead_ms: How much audio may lie unplayed at the phone system.
        hold_limit_s: Longest hold; playback then goes on by itself, seconds.
    """

    def __init__(
        self,
        sink: MediaSink,
        ledger: TurnLedger,
        *,
        watch: StallWatch,
        look_ahead_ms: int = 200,
        hold_limit_s: float = 3.0,
    ) -> None:
        # In direct mode a frame costs no queue and no task; what is to wait is queued here until it was heard.
        super().__init__(enable_direct_mode=True)
        self._sink = sink
        self._ledger = ledger
        self._watch = watch
        self._hold_limit_s = hold_limit_s
        self._refill_below_ms = look_ahead_ms - TICK_MS
        frame_bytes = sink.sample_rate_hz * sink.frame_ms // 1000 * 2
        self._playout: Playout[tuple[Frame, SpokenText | None]] = Playout(
            sink.sample_rate_hz, look_ahead_ms, frame_bytes
        )
        self._answers = SpokenAnswers()
        self._rate = VoiceRate(sink.sample_rate_hz)
        self._heard: deque[SpokenWord | tuple[Frame, SpokenText | None]] = deque()
        """What was heard and is still to be passed on."""
        self._recent: deque[tuple[float, str]] = deque(maxlen=_RECENT_WORDS)
        self._answering = False
        """Whether the model is still making the answer."""
        self._speaking = False
        self._sending = False
        self._clear_wanted = False
        self._epoch = 0
        """Counts the clears: a frame that was on its way meanwhile does not count as sent."""
        self._hold_end: asyncio.TimerHandle | None = None
        self._cut_by_hold = False
        self._marks = 0
        self._last_audio_s = 0.0
        self._quiet_s = 0.0
        self._filler_end_ms = 0.0
        self._afterwards: deque[tuple[AfterwardsFrame, float]] = deque()
        """What waits for the mark behind the last words, and until when at most, on the loop's clock."""
        self._ticker = Ticker(TICK_MS / 1000)
        self._task: asyncio.Task[None] | None = None

    @property
    def bot_audible(self) -> bool:
        """Whether audio that the caller has not heard plays at the phone system now."""
        return self._unheard_ms(self._now()) > 0

    @property
    def held(self) -> bool:
        """Whether playback is held."""
        return self._hold_end is not None

    def unheard_s(self) -> float:
        """Return how much of what the bot has to say is unheard, seconds; infinite while more of it is being made."""
        if self._answering or self._answers.open:
            return math.inf
        return (self._playout.end_ms - self._playout.clock.heard_ms(self._now())) / 1000

    def quiet_since_s(self) -> float:
        """Return since when nothing is heard of the bot, on the loop's clock; in the future while something is."""
        clock = self._playout.clock
        heard_s = clock.silent_from_s()
        return (self._quiet_s if heard_s is None else heard_s) + (self._playout.end_ms - clock.sent_ms) / 1000

    def say_filler(self, text: str, recording: Recording) -> None:
        """Play a sentence that is no answer; what comes later follows it without a gap.

        It stays out of the conversation and of the turn's times, and nobody is told that the bot speaks: Pipecat would
        hold a tool's result back until it stops. An interruption cuts it off as anything else.

        Args:
            text: What it says.
            recording: Its audio.
        """
        playout = self._playout
        playout.queue_audio(self._rate.converted(recording.pcm, recording.sample_rate_hz))
        playout.queue_audio(self._rate.rest())
        playout.pad()
        playout.queue_mark()
        self._filler_end_ms = playout.end_ms
        # The line's echo brings it back as the caller's words.
        self._recent.append((self._now(), text))
        self._ticker.wake()

    def recently_said(self, within_s: float = 6.0) -> str:
        """Return the bot's words that the caller heard last.

        Args:
            within_s: How far back, seconds.
        """
        since_s = self._now() - within_s
        return " ".join(text for heard_s, text in self._recent if heard_s >= since_s)

    def mark_reached(self, name: str) -> None:
        """Take a mark that the phone system echoed."""
        self._playout.clock.mark_reached(name, self._now())
        if self._afterwards:
            self._ticker.wake()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Take the bot's audio and everything that belongs to it; pass on the rest."""
        if isinstance(frame, InterruptionFrame):
            # Before Pipecat stops this processor's own task, which takes turns of the loop; and again after it, for
            # what that task had in its hands.
            await self._flush()
        await super().process_frame(frame, direction)
        match frame:
            case HoldPlaybackFrame():
                await self._hold()
            case ResumePlaybackFrame():
                self._resume()
            case InterruptionFrame():
                await self._flush()
                await self.push_frame(frame, direction)
            case StartFrame():
                self._task = self.create_task(self._run())
                await self.push_frame(frame, direction)
            case CancelFrame() | EndFrame():
                await self._stop()
                await self.push_frame(frame, direction)
            case SystemFrame():
                await self.push_frame(frame, direction)
            case _ if direction is FrameDirection.UPSTREAM:
                await self.push_frame(frame, direction)
            case _:
                self._queue(frame)

    async def cleanup(self) -> None:
        """Stop playing."""
        await self._stop()
        await super().cleanup()  # type: ignore[no-untyped-call]

    # Frames that belong to the audio.

    def _queue(self, frame: Frame) -> None:
        playout = self._playout
        was_idle = playout.idle
        match frame:
            case OutputAudioRawFrame():
                self._ledger.audio_arrived()
                self._watch.audio()
                self._last_audio_s = self._now()
                playout.queue_audio(self._rate.converted(frame.audio, frame.sample_rate))
                was_idle = was_idle or playout.clock.ahead_ms(self._last_audio_s) < self._refill_below_ms
            case TTSStartedFrame():
                self._answers.begin(playout.end_ms)
                playout.queue_item((frame, None))
            case TTSTextFrame():
                self._answers.text(frame, playout.end_ms)
            case TTSStoppedFrame():
                playout.queue_audio(self._rate.rest())
                playout.pad()
                playout.queue_mark()
                playout.queue_item((frame, self._answers.end(playout.end_ms)))
            case AggregatedTextFrame() if frame.will_be_spoken:
                # Only announces a sentence; its audio begins here.
                self._answers.sentence_announced(playout.end_ms)
            case _:
                if isinstance(frame, (LLMFullResponseStartFrame, LLMFullResponseEndFrame)):
                    self._answering = isinstance(frame, LLMFullResponseStartFrame)
                playout.queue_item((frame, None))
        if not self.held and (was_idle or not self._speaking):
            self._ticker.wake()

    # Playing. Only one task sends audio and passes on what was heard.

    async def _run(self) -> None:
        while True:
            held, playout = self.held, self._playout
            playing = not held and (self._speaking or not playout.idle)
            await self._ticker.wait(ticking=playing or bool(self._afterwards))
            await self._tick()

    async def _tick(self) -> None:
        await self._send()
        if not self.held:
            self._collect(self._now())
        await self._pass_on()
        now_s = self._now()
        while self._afterwards and (not self._playout.clock.awaits_mark or now_s >= self._afterwards[0][1]):
            await self.push_frame(self._afterwards.popleft()[0])
        # A voice that breaks off never says that it stopped.
        silent_s = now_s - self._last_audio_s
        if self._speaking and self._playout.idle and silent_s > _LOST_STOP_S and self._heard_all():
            await self._stopped_speaking()

    async def _send(self) -> None:
        """Fill the look-ahead."""
        playout = self._playout
        while not self.held and self._sink.has_room and (pcm := playout.next_frame(self._now())) is not None:
            if not self._speaking and playout.clock.sent_ms > self._filler_end_ms - 1.0:
                self._speaking = True
                self._ledger.audio_sent()
                await self.broadcast_frame(BotStartedSpeakingFrame)
                continue
            epoch, self._sending = self._epoch, True
            try:
                await self._sink.play(pcm)
            finally:
                self._sending = False
            if epoch == self._epoch:
                playout.sent(self._now())
                if playout.mark_due():
                    await self._mark()
            elif self._clear_wanted:
                self._clear_wanted = False
                await self._sink.clear()
        if not self.held and playout.mark_due():
            await self._mark()

    async def _mark(self) -> None:
        if not self._sink.echoes_marks:
            return
        self._marks += 1
        name = f"m{self._marks}"
        self._playout.clock.mark_sent(name)
        await self._sink.mark(name)

    def _collect(self, now_s: float) -> None:
        """Take what the caller has heard by now, in order."""
        self._heard.extend(self._answers.heard_by(self._playout.clock.heard_ms(now_s)))
        self._heard.extend(self._playout.due_items(now_s))

    async def _pass_on(self) -> None:
        while self._heard:
            entry = self._heard.popleft()
            if isinstance(entry, SpokenWord):
                await self._push_word(entry)
                continue
            frame, stopped_text = entry
            if isinstance(frame, AfterwardsFrame):
                # The socket closes after it, so a guess at what was heard is not good enough.
                self._afterwards.append((frame, self._now() + _LAST_MARK_S))
                continue
            if stopped_text is not None:
                for word in self._answers.close(stopped_text):
                    await self._push_word(word)
            await self.push_frame(frame)
            if isinstance(frame, TTSStoppedFrame):
                if self._heard_all():
                    await self._stopped_speaking()
            elif isinstance(frame, (LLMFullResponseEndFrame, FunctionCallResultFrame)) and not self._speaking:
                # The answer may have had no words; the caller's silence counts from here all the same.
                await self.push_frame(BotStoppedSpeakingFrame(), FrameDirection.UPSTREAM)

    async def _push_word(self, word: SpokenWord) -> None:
        self._ledger.heard(word.text)
        self._recent.append((self._now(), word.text))
        frame = TTSTextFrame(word.text, text_type=TextType.WORD)
        frame.includes_inter_frame_spaces = word.spaced
        await self.push_frame(frame)

    # Falling silent.

    async def _hold(self) -> None:
        if self.held:
            return
        now_s = self._now()
        self._hold_end = asyncio.get_running_loop().call_later(self._hold_limit_s, self._resume)
        self._collect(now_s)
        if self._unheard_ms(now_s) > 0 or self._sending:
            self._cut_by_hold = True
            heard_ms = self._playout.clock.heard_ms(now_s)
            self._playout.rewind(now_s, self._answers.start_ms_at(heard_ms))
            self._quiet_s = now_s
            await self._clear()
            self._ledger.held()
        self._ticker.wake()

    def _resume(self) -> None:
        if self._end_hold():
            self._ledger.resumed()
            self._ticker.wake()

    def _end_hold(self) -> bool:
        hold_end, self._hold_end = self._hold_end, None
        self._cut_by_hold = False
        if hold_end is None:
            return False
        hold_end.cancel()
        return True

    async def _flush(self) -> None:
        now_s = self._now()
        sent_unheard = self._unheard_ms(now_s) > 0 or self._sending
        cut = sent_unheard or self._cut_by_hold
        self._end_hold()
        # What was heard since the last tick is not passed on: the interruption would overtake it and drop it.
        waiting = [entry for entry in self._heard if not isinstance(entry, SpokenWord)]
        waiting += self._playout.flush(now_s)
        self._heard.clear()
        self._answers.clear()
        self._answering = False
        self._rate.drop()
        self._filler_end_ms, self._quiet_s = 0.0, now_s
        if sent_unheard:
            await self._clear()
        if cut:
            self._ledger.cleared()
        for frame, _ in waiting:
            if not frame.interruptible:
                await self.push_frame(frame)
        if self._speaking:
            await self._stopped_speaking()
        self._ticker.wake()

    async def _clear(self) -> None:
        self._epoch += 1
        if self._sending:
            # It goes out right behind the frame that the socket has not taken yet.
            self._clear_wanted = True
        else:
            await self._sink.clear()

    def _unheard_ms(self, now_s: float) -> float:
        clock = self._playout.clock
        return clock.sent_ms - clock.heard_ms(now_s)

    def _heard_all(self) -> bool:
        return self._playout.end_ms - self._playout.clock.heard_ms(self._now()) < 1.0

    async def _stopped_speaking(self) -> None:
        self._speaking = False
        self._ledger.bot_stopped()
        await self.broadcast_frame(BotStoppedSpeakingFrame)

    async def _stop(self) -> None:
        self._end_hold()
        task, self._task = self._task, None
        if task is not None:
            await self.cancel_task(task)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
