"""Greetings that were synthesised once: what a voice pushed for them, kept in memory and played again for later calls.

A greeting is the same for thousands of calls. Played from here it costs no request, and the first word does not wait
for the voice's connection.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace

from pipecat.frames.frames import (
    AggregatedTextFrame,
    Frame,
    LLMAssistantPushAggregationFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)

MAX_BYTES = 64 * 2**20
"""Memory for greetings: an hour and more of audio at 8 kHz."""

MAX_AGE_S = 24 * 3600.0
"""How long a greeting is played before it is synthesised anew, seconds: vendors improve a voice under its old name."""

_FRAME_BYTES = 600
"""What a frame takes beside its audio, about."""

KINDS = (
    AggregatedTextFrame,
    TTSStartedFrame,
    TTSAudioRawFrame,
    LLMAssistantPushAggregationFrame,
    TTSStoppedFrame,
)
"""The frames of a speech that mean something behind the voice; `TTSTextFrame` is one of the first kind."""

_OWN_FIELDS = frozenset({"id", "name", "pts", "broadcast_sibling_id", "metadata"})
"""Fields that a copy has of its own."""


@dataclass(frozen=True, slots=True)
class GreetingKey:
    """What decides how a greeting sounds.

    Attributes:
        voice: The voice with everything that shapes its audio (`adapters.tts.build.voice_identity`).
        text: What is said, variables filled in.
    """

    voice: str
    text: str


@dataclass(frozen=True, slots=True)
class Recording:
    """The frames of one complete speech.

    Attributes:
        frames: Copies of them, in order; `replay` makes frames to push from them.
        audio_start_ns: Moment of the first audio on the pipeline's clock, to which the frames' ``pts`` relate,
            nanoseconds.
        size_bytes: Memory that it takes, about.
    """

    frames: tuple[Frame, ...] = field(repr=False)
    audio_start_ns: int
    size_bytes: int

    @classmethod
    def of(cls, frames: Sequence[Frame], audio_start_ns: int) -> Recording:
        """Make one from the copies of a speech's frames."""
        audio_bytes = sum(len(frame.audio) for frame in frames if isinstance(frame, TTSAudioRawFrame))
        return cls(tuple(frames), audio_start_ns, audio_bytes + _FRAME_BYTES * len(frames))

    @property
    def sample_rate_hz(self) -> int:
        """Rate of the audio, Hz; 0 without audio."""
        return next((frame.sample_rate for frame in self.frames if isinstance(frame, TTSAudioRawFrame)), 0)

    @property
    def pcm(self) -> bytes:
        """All audio, 16-bit mono PCM at the voice's rate."""
        return b"".join(frame.audio for frame in self.frames if isinstance(frame, TTSAudioRawFrame))

    def replay(self, context_id: str, now_ns: int) -> Iterator[Frame]:
        """Make the speech's frames once more.

        Args:
            context_id: The audio context that they shall belong to.
            now_ns: The moment on the pipeline's clock at which the audio begins, nanoseconds.

        Yields:
            Frames with the same audio and text, and with the same times relative to the first audio.
        """
        shift_ns = now_ns - self.audio_start_ns
        segment_id: int | None = None
        for kept in self.frames:
            frame = copy_frame(kept, context_id)
            # 0 and None both say that a frame has no time.
            frame.pts = kept.pts + shift_ns if kept.pts else kept.pts
            if isinstance(frame, TTSTextFrame):
                frame.segment_id = segment_id if frame.segment_id is not None else None
            elif isinstance(frame, AggregatedTextFrame):
                segment_id = frame.id
            yield frame


def copy_frame(frame: Frame, context_id: str | None = None) -> Frame:
    """Copy a frame of a speech, with an identity of its own.

    Args:
        frame: The frame, of one of `KINDS`.
        context_id: The audio context of the copy; None leaves it as it is.
    """
    if isinstance(frame, TTSAudioRawFrame):
        # Most frames are audio, and the bytes themselves are shared.
        copy: Frame = TTSAudioRawFrame(
            frame.audio, frame.sample_rate, frame.num_channels, context_id=context_id or frame.context_id
        )
    elif context_id is not None and hasattr(frame, "context_id"):
        copy = replace(frame, context_id=context_id)  # type: ignore[call-arg]
    else:
        copy = replace(frame)
    for one in fields(frame):
        if not one.init and one.name not in _OWN_FIELDS and hasattr(frame, one.name):
            setattr(copy, one.name, getattr(frame, one.name))
    copy.pts = frame.pts
    return copy


@dataclass(slots=True)
class _Entry:
    recording: Recording
    expires_s: float


class GreetingCache:
    """The greetings of a process, within a bound on memory; what was not played for longest goes first.

    Calls that begin before the first synthesis of a greeting is complete synthesise it too: whoever is first does not
    hold up the others.

    Args:
        max_bytes: Bound on memory; 0 keeps nothing.
        max_age_s: How long a greeting is played, seconds.
        clock: Returns the time, seconds.

    Attributes:
        hits: How often a greeting was there.
        misses: How often it was not.
    """

    def __init__(
        self, max_bytes: int = MAX_BYTES, *, max_age_s: float = MAX_AGE_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._clock = clock
        self._entries: OrderedDict[GreetingKey, _Entry] = OrderedDict()
        self._size_bytes = 0
        self.hits = 0
        self.misses = 0

    @property
    def count(self) -> int:
        """How many greetings there are."""
        return len(self._entries)

    @property
    def size_bytes(self) -> int:
        """Memory that they take, about."""
        return self._size_bytes

    def __contains__(self, key: GreetingKey) -> bool:
        """Whether a greeting is there, without counting as asked for."""
        entry = self._entries.get(key)
        return entry is not None and entry.expires_s > self._clock()

    def get(self, key: GreetingKey) -> Recording | None:
        """Return a greeting, or None when it has to be synthesised."""
        entry = self._entries.get(key)
        if entry is not None and entry.expires_s <= self._clock():
            self._drop(key)
            entry = None
        if entry is None:
            self.misses += 1
            return None
        self.hits += 1
        self._entries.move_to_end(key)
        return entry.recording

    def put(self, key: GreetingKey, recording: Recording) -> None:
        """Keep a complete greeting; one that alone is larger than the bound is not kept."""
        if key in self._entries:
            self._drop(key)
        if recording.size_bytes > self._max_bytes:
            return
        self._entries[key] = _Entry(recording, self._clock() + self._max_age_s)
        self._size_bytes += recording.size_bytes
        while self._size_bytes > self._max_bytes:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: GreetingKey) -> None:
        self._size_bytes -= self._entries.pop(key).recording.size_bytes
