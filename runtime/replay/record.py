"""What one replayed call left behind. All times are milliseconds since the media stream was opened, unless said."""

from __future__ import annotations

import wave
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from operator import itemgetter
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from adapters.media.playout import Gap
from runtime.replay.activity import Span

FRAME_MS: Final = 20
"""Length of one frame of a call, milliseconds."""

CUT_IN_MS: Final = 1000.0
"""A ``clear`` this long after a turn still belongs to it: the other side takes its time to notice short words, ms."""


class FailureKind(StrEnum):
    """Why a call counts as failed."""

    UNREACHABLE = "unreachable"
    """No connection: refused, unknown host, TLS, time-out."""
    REFUSED = "refused"
    """An HTTP answer instead of the WebSocket."""
    CLOSED_EARLY = "closed early"
    """The far end closed before the script was through."""
    NO_GREETING = "no greeting"
    NO_ANSWER = "no answer"
    """Nothing audible followed what the caller said or keyed."""
    ENDLESS_ANSWER = "endless answer"
    NOT_ENDED = "not ended"
    """The far end should have ended the call, and did not."""
    PROTOCOL = "protocol error"
    """The far end sent what the media protocol does not allow."""
    STALLED = "stalled"
    """The far end stopped reading."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a call failed. Equal failures are counted together.

    Attributes:
        kind: Its kind.
        detail: What is known beyond that, for people.
    """

    kind: FailureKind
    detail: str = ""

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.kind}: {self.detail}" if self.detail else str(self.kind)


class TurnKind(StrEnum):
    """How the caller took the turn."""

    SPEECH = "speech"
    KEYS = "keys"


@dataclass(frozen=True, slots=True)
class CallerTurn:
    """One thing that the caller said or keyed.

    Attributes:
        label: What it was.
        kind: Spoken or keyed.
        start_ms: First voiced sample, or first key.
        end_ms: Just behind the last voiced sample, or last key.
    """

    label: str
    kind: TurnKind
    start_ms: float
    end_ms: float

    def reply_from_ms(self, clears_ms: Iterable[float]) -> float:
        """Return from when on what the bot says can be the answer to this turn.

        Args:
            clears_ms: When the bot dropped its audio. What it says after a drop within the turn answers the turn;
                what it said before does not.
        """
        last_ms = self.end_ms + CUT_IN_MS
        return max([self.start_ms, *(clear_ms for clear_ms in clears_ms if self.start_ms <= clear_ms <= last_ms)])


@dataclass(slots=True)
class Tracks:
    """Both sides of a call as the caller heard it, sample by sample since the media stream was opened.

    Attributes:
        sample_rate_hz: Rate of both, Hz.
        caller: 16-bit signed little-endian mono PCM.
        bot: The same, after the playback buffer: with its gaps, without what was flushed.
    """

    sample_rate_hz: int
    caller: bytearray = field(default_factory=bytearray)
    bot: bytearray = field(default_factory=bytearray)

    def stereo(self) -> NDArray[np.int16]:
        """Return both sides, shape ``(samples, 2)``: caller left, bot right, cut to whole frames of the caller."""
        caller = np.frombuffer(bytes(self.caller), dtype="<i2")
        bot = np.frombuffer(bytes(self.bot), dtype="<i2")[: len(caller)]
        return np.stack([caller, np.pad(bot, (0, len(caller) - len(bot)))], axis=1).astype(np.int16)

    def write_wav(self, path: Path) -> None:
        """Write both sides as a stereo WAV of 16 bits."""
        with wave.open(str(path), "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(self.sample_rate_hz)
            file.writeframes(self.stereo().astype("<i2").tobytes())


class HeardAudio:
    """The bot's side of a call without its silence, for checks after the run. It keeps what it is given, uncopied."""

    def __init__(self, sample_rate_hz: int, limit_bytes: int) -> None:
        """Begin with nothing.

        Args:
            sample_rate_hz: Rate of the audio, Hz.
            limit_bytes: What comes after so much audio is not kept.
        """
        self.sample_rate_hz = sample_rate_hz
        self._room = limit_bytes
        self._pieces: list[tuple[int, bytes]] = []
        self._position = 0

    def add(self, pcm: bytes) -> None:
        """Take the next audio.

        Args:
            pcm: Whole samples of 16-bit signed little-endian mono PCM.
        """
        if self._room <= 0:
            return
        if pcm != bytes(len(pcm)):
            self._pieces.append((self._position, pcm))
            self._room -= len(pcm)
        self._position += len(pcm) // 2

    @property
    def end_ms(self) -> float:
        """Up to where all audio was kept, milliseconds since the opening of the stream."""
        return self._position * 1000 / self.sample_rate_hz

    def between(self, start_ms: float, end_ms: float) -> NDArray[np.int16]:
        """Return a stretch, 16-bit samples of shape ``(n,)``, silence included."""
        start, end = (round(at_ms * self.sample_rate_hz / 1000) for at_ms in (start_ms, end_ms))
        samples = np.zeros(max(0, end - start), np.int16)
        first = max(0, bisect_right(self._pieces, start, key=itemgetter(0)) - 1)
        for at, pcm in self._pieces[first:]:
            if at >= end:
                break
            piece = np.frombuffer(pcm, dtype="<i2")[max(0, start - at) : end - at]
            begin = max(0, at - start)
            samples[begin : begin + len(piece)] = piece
        return samples


@dataclass(slots=True)
class CallRecord:
    """One call.

    Attributes:
        index: Which of the calls of a run, from 0.
        started_at: Wall-clock time of the opening of the media stream, UTC; None when it was never opened.
        setup_ms: From the first packet to the accepted WebSocket.
        first_audio_ms: First audio of the far end, audible or not.
        ended_ms: End of the call.
        ended_by_far_end: Whether the far end closed the socket or hung up.
        close_code: WebSocket close code; None when there was none.
        close_reason: WebSocket close reason.
        turns: What the caller said and keyed.
        bot_speech: When the bot was audible.
        clears_ms: When orders to drop the buffered audio came.
        bot_digits: Keys that the far end sent.
        audio_messages: Audio messages of the far end.
        gaps: Times at which the playback ran dry within an utterance, each because one message was late.
        lead_ms: For each audio message, how much audio still waited when it came; 0 when it came late, milliseconds.
        lag_ms: For each frame, how late the harness itself was, milliseconds.
        unplayed_ms: Audio that was still in the playback buffer at the end, milliseconds.
        failure: Why the call failed, or None.
        tracks: The audio, where it was to be kept.
        heard: The bot's audio without its silence, where it was to be kept.
    """

    index: int = 0
    started_at: datetime | None = None
    setup_ms: float | None = None
    first_audio_ms: float | None = None
    ended_ms: float = 0.0
    ended_by_far_end: bool = False
    close_code: int | None = None
    close_reason: str = ""
    turns: list[CallerTurn] = field(default_factory=list)
    bot_speech: list[Span] = field(default_factory=list)
    clears_ms: list[float] = field(default_factory=list)
    bot_digits: str = ""
    audio_messages: int = 0
    gaps: list[Gap] = field(default_factory=list)
    lead_ms: list[float] = field(default_factory=list)
    lag_ms: list[float] = field(default_factory=list)
    unplayed_ms: float = 0.0
    failure: Failure | None = None
    tracks: Tracks | None = None
    heard: HeardAudio | None = None
