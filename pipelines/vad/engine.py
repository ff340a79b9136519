"""Voice activity of all calls of a process: their windows are scored together, on one thread.

To begin a run of the model costs far more than one window more in it: on a core that does other things in between, one
window takes 0.8 ms and eight of them 1.3 ms. So as many as possible are scored in one run. A window that may change
something waits for those of other calls for a few milliseconds at most. But what is told is always several windows in
the making, and those that cannot change anything by themselves, which are nearly all, have more time; nothing is told
any later. The event loop has nothing to do with all this: it hands over the audio and hears of what changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from time import perf_counter
from typing import Protocol

from models.vad import EffectiveVad
from pipelines.vad.busy import BusyTime
from pipelines.vad.silero import MAX_BATCH, SileroState
from pipelines.vad.voice_activity import VoiceActivity, VoiceEvent

_LONGEST_WAIT_S = 0.004
"""Longest time for which a window that may change something waits for those of other calls, seconds."""
_LONGEST_PATIENCE_S = 0.02
"""Longest time for which any other window waits, seconds: less than a window lasts, so that it is scored before the
next one of its call comes."""

_Work = tuple["VadStream", bytes | None]
"""A call and its next window; None when its audio ends here and it is to be judged silent."""


@dataclass(slots=True)
class VadLoad:
    """What the engine has done, counted since it began.

    Attributes:
        windows: Windows scored.
        runs: Runs of the model.
        longest_queue: Most windows that were handed over at once.
    """

    windows: int = 0
    runs: int = 0
    longest_queue: int = 0


class Scorer(Protocol):
    """The model, as `SileroSession` is."""

    def score(self, states: Sequence[SileroState], windows: Sequence[bytes]) -> list[float]:
        """Score the next window of each of some calls."""


class VadStream:
    """One call's place in the engine; made by `VadEngine.stream`.

    Attributes:
        settings: The call's effective ``vad_config``.
        speaking: Whether the caller speaks, by what was told so far.
        silero: The model's state, the engine's own business.
        voice: The state machine, the engine's own business.
        judged: Windows judged so far, the engine's own business.
        decisive: The first window that may change something, counted from 1, as far as is known: windows that are
            being judged can only put it off. The engine's own business.
        loop: The event loop on which events are told.
    """

    def __init__(
        self, engine: VadEngine, settings: EffectiveVad, sample_rate_hz: int, on_event: Callable[[VoiceEvent], None]
    ) -> None:
        self.settings = settings
        self.speaking = False
        self.silero = SileroState(sample_rate_hz)
        self.voice = VoiceActivity(settings, sample_rate_hz=sample_rate_hz, window_samples=self.silero.window_samples)
        self.judged = 0
        self.decisive = self.voice.soonest
        self.loop = asyncio.get_running_loop()
        self._engine = engine
        self._on_event = on_event
        self._window_bytes = self.silero.window_samples * 2
        self._pushed = 0
        self._buffer = bytearray()
        self._closed = False

    def push(self, pcm: bytes) -> None:
        """Take audio of any length: whole samples of 16-bit mono PCM."""
        self._buffer += pcm
        while len(self._buffer) >= self._window_bytes:
            window = bytes(self._buffer[: self._window_bytes])
            del self._buffer[: self._window_bytes]
            self._pushed += 1
            self._engine.submit(self, window, urgent=self._pushed >= self.decisive)

    def force_stop(self) -> None:
        """Judge the caller silent because no audio comes any more."""
        self._engine.submit(self, None, urgent=True)

    def close(self) -> None:
        """End the stream; nothing is told any more."""
        if not self._closed:
            self._closed = True
            self._engine.leave()

    def deliver(self, event: VoiceEvent) -> None:
        """Tell of an event; called by the engine, on the event loop."""
        if self._closed:
            return
        if event in (VoiceEvent.STARTED, VoiceEvent.STOPPED):
            self.speaking = event is VoiceEvent.STARTED
        self._on_event(event)


class VadEngine:
    """Scores the windows of all calls.

    A stream is told of its events on the event loop that made it.

    Args:
        session: The loaded model.
        threaded: Whether to score on an own thread. Without it windows are scored where they are handed over, for
            tests on virtual time, in which a thread would be overtaken by timers.

    Attributes:
        load: What was done so far.
        busy: How busy the thread is.
    """

    def __init__(self, session: Scorer, *, threaded: bool = True) -> None:
        self.load = VadLoad()
        self.busy = BusyTime()
        self._session = session
        self._streams = 0
        self._waiting: list[_Work] = []
        self._timer: asyncio.TimerHandle | None = None
        self._due_s = math.inf
        self._queue: SimpleQueue[list[_Work] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="vad", daemon=True) if threaded else None
        if self._thread is not None:
            self._thread.start()

    def stream(self, settings: EffectiveVad, sample_rate_hz: int, on_event: Callable[[VoiceEvent], None]) -> VadStream:
        """Give a call its place.

        Args:
            settings: The call's effective ``vad_config``.
            sample_rate_hz: Rate of its audio, Hz.
            on_event: Told of every change, on the event loop. Must return at once.

        Raises:
            ValueError: The model has no such sample rate.
        """
        stream = VadStream(self, settings, sample_rate_hz, on_event)
        self._streams += 1
        return stream

    def leave(self) -> None:
        """Take note that a stream was closed."""
        self._streams -= 1

    def submit(self, stream: VadStream, window: bytes | None, *, urgent: bool) -> None:
        """Take a stream's next window, or None when it is to be judged silent.

        Args:
            stream: Whose.
            window: 16-bit mono PCM.
            urgent: Whether it may change something.
        """
        if self._thread is None:
            for told, event in self._judge([(stream, window)]):
                told.deliver(event)
            return
        self._waiting.append((stream, window))
        if self._streams <= 1 or len(self._waiting) >= MAX_BATCH:
            self._hand_over()
            return
        due_s = stream.loop.time() + (_LONGEST_WAIT_S if urgent else _LONGEST_PATIENCE_S)
        if due_s < self._due_s:
            if self._timer is not None:
                self._timer.cancel()
            self._due_s = due_s
            self._timer = stream.loop.call_at(due_s, self._hand_over)

    def close(self) -> None:
        """End the thread. Windows handed over before are scored; their events come to nobody."""
        if self._timer is not None:
            self._timer.cancel()
        thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join()

    def _hand_over(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._due_s = math.inf
        waiting, self._waiting = self._waiting, []
        self._queue.put(waiting)

    def _run(self) -> None:
        """The thread: score what was handed over, and wake the loop only when something changed."""
        ended = False
        while not ended:
            work = self._queue.get()
            if work is None:
                return
            # What came in during the last run is scored with it.
            while not self._queue.empty():
                more = self._queue.get()
                if more is None:
                    ended = True
                    break
                work += more
            events = self._judge(work)
            for loop in {stream.loop for stream, _ in events}:
                # A loop that has closed has no call left to tell.
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(_deliver, [it for it in events if it[0].loop is loop])

    def _judge(self, work: list[_Work]) -> list[tuple[VadStream, VoiceEvent]]:
        began_s = perf_counter()
        self.load.longest_queue = max(self.load.longest_queue, len(work))
        events: list[tuple[VadStream, VoiceEvent]] = []
        while work:
            work, later = _one_each(work)
            for rate_hz in {stream.silero.sample_rate_hz for stream, _ in work}:
                of_rate = [(stream, window) for stream, window in work if stream.silero.sample_rate_hz == rate_hz]
                for first in range(0, len(of_rate), MAX_BATCH):
                    events += self._judge_batch(of_rate[first : first + MAX_BATCH])
            work = later
        self.busy.add(began_s, perf_counter())
        return events

    def _judge_batch(self, work: list[_Work]) -> list[tuple[VadStream, VoiceEvent]]:
        events: list[tuple[VadStream, VoiceEvent]] = []
        for stream, window in work:
            if window is None:
                event = stream.voice.force_stop()
                stream.decisive = stream.judged + stream.voice.soonest
                if event is not None:
                    events.append((stream, event))
        scored = [(stream, window) for stream, window in work if window is not None]
        if not scored:
            return events
        confidences = self._session.score([stream.silero for stream, _ in scored], [window for _, window in scored])
        self.load.runs += 1
        self.load.windows += len(scored)
        for (stream, window), confidence in zip(scored, confidences, strict=True):
            stream.silero.scored(confidence, quiet=stream.voice.quiet)
            event = stream.voice.judge(window, confidence)
            stream.judged += 1
            stream.decisive = stream.judged + stream.voice.soonest
            if event is not None:
                events.append((stream, event))
        return events


def _one_each(work: list[_Work]) -> tuple[list[_Work], list[_Work]]:
    """Split work into one piece of each stream and what comes after it, each in order."""
    seen: set[VadStream] = set()
    now: list[_Work] = []
    later: list[_Work] = []
    for piece in work:
        if piece[0] in seen:
            later.append(piece)
        else:
            seen.add(piece[0])
            now.append(piece)
    return now, later


def _deliver(events: list[tuple[VadStream, VoiceEvent]]) -> None:
    for stream, event in events:
        stream.deliver(event)
