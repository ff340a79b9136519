"""Says a call's greeting: from the cache where it is there, else by the voice, whose speech is then kept."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from uuid import uuid4

from pipecat.frames.frames import (
    ControlFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    InterruptionFrame,
    SystemFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from pipelines.failover.tts import VoiceChangedFrame
from pipelines.speech.greeting_cache import KINDS, GreetingCache, GreetingKey, Recording, copy_frame

_BURST = 16
"""How many frames of a greeting are pushed before the event loop's other work gets a turn."""


@dataclass
class RecordGreetingFrame(ControlFrame):
    """What the voice says next is a greeting that is to be kept."""

    key: GreetingKey


@dataclass
class KeepGreetingFrame(ControlFrame):
    """The greeting ends here, its errors included: the voice passes this on only once it is through with it."""


@dataclass
class ReplayGreetingFrame(ControlFrame):
    """A greeting is to be played from the cache."""

    recording: Recording = field(repr=False)


@dataclass(slots=True)
class _Take:
    """What was seen of a greeting while the voice speaks it."""

    key: GreetingKey
    frames: list[Frame] = field(default_factory=list)
    audio_start_ns: int | None = None
    spoiled: bool = False

    def note(self, frame: Frame, now_ns: int) -> None:
        if isinstance(frame, TTSAudioRawFrame) and self.audio_start_ns is None:
            self.audio_start_ns = now_ns
        self.frames.append(copy_frame(frame))

    def count(self, kind: type[Frame]) -> int:
        return sum(isinstance(frame, kind) for frame in self.frames)

    def recording(self) -> Recording | None:
        """The whole speech; None when it is not whole, or not one."""
        one = self.count(TTSStartedFrame) == self.count(TTSStoppedFrame) == 1
        if self.spoiled or not one or self.audio_start_ns is None or not self.count(TTSTextFrame):
            return None
        return Recording.of(self.frames, self.audio_start_ns)


class GreetingPlayer(FrameProcessor):
    """Stands right behind the voice. Ask it with `frames` what to queue at the pipeline's beginning.

    Behind it, a greeting from the cache cannot be told from one that is being synthesised: the same frames in the same
    order, with the same times. One that was interrupted, that failed, or in which something else was said is not kept.

    Args:
        voice: The voice, whose errors spoil what it is saying.
        cache: The process's greetings.
        voice_identity: What decides how the voice sounds (`adapters.tts.build.voice_identity`); '' keeps nothing.
    """

    def __init__(self, voice: FrameProcessor, cache: GreetingCache, voice_identity: str) -> None:
        # In direct mode a frame costs no queue and no task; nothing here waits.
        super().__init__(enable_direct_mode=True)
        self._cache = cache
        self._voice_identity = self._first_identity = voice_identity
        self._closed = False
        self._take: _Take | None = None
        voice.add_event_handler("on_error", self._spoil)

    def frames(self, text: str) -> list[Frame]:
        """Return the frames that make the call greet.

        Args:
            text: What to say, variables filled in.

        Returns:
            Frames for the pipeline's beginning, in order.
        """
        speak = TTSSpeakFrame(text, append_to_context=True)
        if not self._voice_identity:
            return [speak]
        key = GreetingKey(self._voice_identity, text)
        recording = self._cache.get(key)
        if recording is not None:
            return [ReplayGreetingFrame(recording)]
        return [RecordGreetingFrame(key), speak, KeepGreetingFrame()]

    def speaks_as(self, voice_identity: str) -> None:
        """Say what follows, the last words too, in another voice.

        Args:
            voice_identity: As in the constructor.
        """
        self._take = None
        self._voice_identity = self._first_identity = voice_identity

    @property
    def closed(self) -> bool:
        """Whether the last words are on their way, past the voice."""
        return self._closed

    async def say_last(self, text: str, end: Frame) -> bool:
        """Say the call's last words from the cache, whatever state the voice is in; nothing else is heard any more.

        Args:
            text: What to say. It is said in the voice with which the call began.
            end: Follows them.

        Returns:
            Whether they are there.
        """
        recording = self._cache.get(GreetingKey(self._first_identity, text)) if self._first_identity else None
        if recording is None or self._closed:
            return False
        self._closed = True
        await self.push_frame(InterruptionFrame())
        await self._replay(recording)
        await self.push_frame(end)
        return True

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Pass frames on, except those of `frames`, and those that would disturb the last words."""
        await super().process_frame(frame, direction)
        if self._closed and direction is FrameDirection.DOWNSTREAM and _disturbs(frame):
            return
        match frame:
            case RecordGreetingFrame():
                self._take = _Take(frame.key)
                return
            case KeepGreetingFrame():
                self._keep()
                return
            case ReplayGreetingFrame():
                await self._replay(frame.recording)
                return
            case VoiceChangedFrame():
                self._take, self._voice_identity = None, ""
                return
            case InterruptionFrame():
                self._take = None
            case _ if self._take is not None and direction is FrameDirection.DOWNSTREAM and isinstance(frame, KINDS):
                self._take.note(frame, self.get_clock().get_time())
        await self.push_frame(frame, direction)

    def _keep(self) -> None:
        take, self._take = self._take, None
        recording = take.recording() if take is not None else None
        if take is not None and recording is not None:
            self._cache.put(take.key, recording)

    async def _replay(self, recording: Recording) -> None:
        frames = recording.replay(str(uuid4()), self.get_clock().get_time())
        for number, frame in enumerate(frames, start=1):
            await self.push_frame(frame)
            if number % _BURST == 0:
                # An interruption cancels the task that is here.
                await asyncio.sleep(0)

    async def _spoil(self, voice: object, error: ErrorFrame) -> None:
        del voice, error
        if self._take is not None:
            self._take.spoiled = True


def _disturbs(frame: Frame) -> bool:
    return isinstance(frame, InterruptionFrame) or not isinstance(frame, (SystemFrame, EndFrame))
