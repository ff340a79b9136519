"""Walks a caller's script, one frame of 20 ms after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from runtime.replay.activity import ActivityTracker, amplitude
from runtime.replay.record import FRAME_MS, CallerTurn, Failure, FailureKind, TurnKind
from runtime.replay.script import AwaitHangup, AwaitReply, AwaitSpeech, Dial, Pause, Say, Script, again

NOISE_DBFS: Final = -66.0
"""Level of the line noise between utterances, dB relative to full scale: as quiet as a good line is."""

_NOISE_S: Final = 1
_DIRECT: Final = (Say, Dial)


@lru_cache(maxsize=8)
def line_noise(sample_rate_hz: int, level_dbfs: float = NOISE_DBFS) -> bytes:
    """Return a second of white noise, the same at every call: 16-bit signed little-endian mono PCM."""
    noise = np.random.default_rng(20).normal(0, amplitude(level_dbfs), sample_rate_hz * _NOISE_S)
    return np.round(noise).astype("<i2").tobytes()


class Frame(NamedTuple):
    """What the caller does in one frame.

    Attributes:
        pcm: 20 ms of audio.
        digits: Keys pressed at its beginning.
        speaking: Whether the audio is an utterance, not the line.
    """

    pcm: bytes
    digits: str = ""
    speaking: bool = False


class ScriptRunner:
    """One caller on the way through a script.

    A frame stands for the 20 ms that end when it is sent: the caller has heard the bot up to its beginning.

    Attributes:
        turns: What was said and keyed so far.
        finished: Whether the script is through or the call has failed: time to hang up.
        failure: Why the call failed, or None.
    """

    def __init__(
        self,
        script: Script,
        ear: ActivityTracker,
        sample_rate_hz: int,
        *,
        noise: bytes | None = None,
        hold_ms: float = 0.0,
    ) -> None:
        """Stand before the first step.

        Args:
            script: What to do.
            ear: What is heard of the bot; the owner feeds it.
            sample_rate_hz: Rate of the call, Hz.
            noise: Audio that the line carries between utterances, repeated; whole frames; None for `line_noise`.
            hold_ms: Until when the script, once through, begins again at its first turn, milliseconds.
        """
        self.turns: list[CallerTurn] = []
        self.finished = False
        self.failure: Failure | None = None
        self._ear = ear
        self._frame_bytes = 2 * sample_rate_hz * FRAME_MS // 1000
        self._lines = _frames(line_noise(sample_rate_hz) if noise is None else noise, self._frame_bytes)
        self._remaining = list(script)
        self._again = again(script)
        self._hold_ms = hold_ms
        self._frames = 0
        self._reply_from_ms = 0.0
        self._clears_ms: list[float] = []
        self._walk = self._steps()

    def next_frame(self) -> Frame:
        """Return the caller's next 20 ms; the line's noise once the script is through."""
        frame = next(self._walk, None)
        if frame is None:
            self.finished = True
            frame = self._line()
        self._frames += 1
        return frame

    def cleared(self, now_ms: float) -> None:
        """Note that the bot dropped its audio; see `CallerTurn.reply_from_ms`.

        Args:
            now_ms: The time, milliseconds since the first frame.
        """
        self._clears_ms.append(now_ms)
        if self.turns:
            self._reply_from_ms = self.turns[-1].reply_from_ms(self._clears_ms)

    def far_end_closed(self) -> None:
        """Note that the far end closed, and judge whether it was due."""
        if self.finished:
            return
        self.finished = True
        step = self._remaining[0] if self._remaining else None
        outstanding = any(isinstance(later, _DIRECT) for later in self._remaining)
        waiting = isinstance(step, AwaitReply | AwaitSpeech) and self._onset_ms() is None
        if not isinstance(step, AwaitHangup) and (outstanding or waiting):
            self.failure = Failure(FailureKind.CLOSED_EARLY, self._where())

    @property
    def _now_ms(self) -> float:
        return self._frames * FRAME_MS

    def _steps(self) -> Iterator[Frame]:
        """Yield frame by frame; a step that has nothing to wait for takes no frame."""
        while self._remaining and not self.finished:
            match self._remaining[0]:
                case Say() as say:
                    yield from self._say(say)
                case Dial() as dial:
                    yield from self._dial(dial)
                case Pause(duration_s):
                    yield from self._wait(duration_s)
                case AwaitSpeech(timeout_s):
                    yield from self._wait(timeout_s, lambda: self._onset_ms() is not None, self._unanswered())
                case AwaitReply() as reply:
                    yield from self._await_reply(reply)
                case AwaitHangup(timeout_s):
                    yield from self._wait(timeout_s, lambda: False, FailureKind.NOT_ENDED)
            if not self.finished:
                del self._remaining[0]
            if not self._remaining and self._now_ms < self._hold_ms:
                self._remaining = list(self._again)

    def _say(self, say: Say) -> Iterator[Frame]:
        utterance = say.utterance
        start_ms = self._now_ms
        speech = CallerTurn(
            utterance.label, TurnKind.SPEECH, start_ms + utterance.speech_start_ms, start_ms + utterance.speech_end_ms
        )
        self._take_turn(speech)
        yield from _frames(utterance.pcm, self._frame_bytes, speaking=True)

    def _dial(self, dial: Dial) -> Iterator[Frame]:
        frames = max(1, round(dial.gap_s * 1000 / FRAME_MS))
        last_ms = self._now_ms + (len(dial.digits) - 1) * frames * FRAME_MS
        self._take_turn(CallerTurn(dial.digits, TurnKind.KEYS, self._now_ms, last_ms))
        for digit in dial.digits:
            yield Frame(self._line().pcm, digits=digit)
            for _ in range(frames - 1):
                yield self._line()

    def _await_reply(self, reply: AwaitReply) -> Iterator[Frame]:
        yield from self._wait(reply.timeout_s, lambda: self._onset_ms() is not None, self._unanswered())
        yield from self._wait(reply.longest_s, lambda: self._quiet_for(reply.quiet_s), FailureKind.ENDLESS_ANSWER)

    def _wait(
        self,
        limit_s: float,
        until: Callable[[], bool] = lambda: False,
        or_fail: FailureKind | None = None,
    ) -> Iterator[Frame]:
        for _ in range(round(limit_s * 1000 / FRAME_MS)):
            if self.finished or until():
                return
            yield self._line()
        if or_fail and not until():
            self.failure = Failure(or_fail, f"{self._where()}, within {limit_s:g} s")
            self.finished = True

    def _take_turn(self, turn: CallerTurn) -> None:
        self.turns.append(turn)
        self._reply_from_ms = turn.start_ms

    def _onset_ms(self) -> float | None:
        return self._ear.onset_after(self._reply_from_ms)

    def _quiet_for(self, quiet_s: float) -> bool:
        return self._ear.quiet_for(quiet_s * 1000)

    def _unanswered(self) -> FailureKind:
        return FailureKind.NO_ANSWER if self.turns else FailureKind.NO_GREETING

    def _where(self) -> str:
        if not self.turns:
            return "before the caller's first turn"
        return f'turn {len(self.turns)} ("{self.turns[-1].label}")'

    def _line(self) -> Frame:
        return self._lines[self._frames % len(self._lines)]


@lru_cache(maxsize=64)
def _frames(pcm: bytes, frame_bytes: int, *, speaking: bool = False) -> tuple[Frame, ...]:
    """Cut audio into frames, the last one filled up with silence; once for all calls of a run."""
    return tuple(
        Frame(pcm[at : at + frame_bytes].ljust(frame_bytes, b"\0"), speaking=speaking)
        for at in range(0, len(pcm), frame_bytes)
    )
