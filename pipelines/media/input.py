"""Media in: the first processor of a call's pipeline.

The socket loop hands it decoded audio and digits. Voice activity is judged right here, once, and Smart Turn's audio
kept right here, so that audio frames travel only to the recogniser and not through every processor behind it.
"""

from __future__ import annotations

import asyncio
from collections import deque

from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InputDTMFFrame,
    StartFrame,
    UserIdleTimeoutUpdateFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from adapters.stt.frames import CallerPausedFrame, CallerResumedFrame
from models.vad import EffectiveVad
from pipelines.turns.ledger import TurnLedger
from pipelines.vad.engine import VadEngine
from pipelines.vad.smart_turn import TurnAudio
from pipelines.vad.voice_activity import PAUSE_SECS, VoiceEvent

_KEYS = {entry.value: entry for entry in KeypadEntry}


class MediaInput(FrameProcessor):
    """Turns received media into frames.

    Args:
        vad: Judges the voice activity of all calls.
        settings: This call's effective ``vad_config``.
        sample_rate_hz: Rate of the received audio, Hz.
        ledger: Gets the times of speech.
        turn_audio: Keeps the turn's audio for Smart Turn; None when it is off.
        tell_pauses: Whether to tell of pauses, so that what follows the caller's turn can be prepared.
        step_ms: Duration of one audio frame to the recogniser, milliseconds. Whatever is left over goes before each
            change of the voice activity, so that no recogniser waits for the rest of a step.
        audio_timeout_s: When no audio comes for so long while the caller speaks, the caller is judged silent, seconds.
        idle_timeout_s: Silence before the caller is asked whether they are there, seconds; a key press starts it anew.
            0 for never.
    """

    def __init__(
        self,
        *,
        vad: VadEngine,
        settings: EffectiveVad,
        sample_rate_hz: int,
        ledger: TurnLedger,
        turn_audio: TurnAudio | None = None,
        tell_pauses: bool = False,
        step_ms: int = 80,
        audio_timeout_s: float = 1.0,
        idle_timeout_s: float = 0.0,
    ) -> None:
        super().__init__()
        self._vad = vad
        self._voice = vad.stream(settings, sample_rate_hz, self._voice_changed)
        self._following: tuple[EffectiveVad, TurnAudio | None] | None = None
        self._rate_hz = sample_rate_hz
        self._ledger = ledger
        self._turn_audio = turn_audio
        self._tell_pauses = tell_pauses
        self._step_bytes = sample_rate_hz * step_ms // 1000 * 2
        self._audio_timeout_s = audio_timeout_s
        self._idle_timeout_s = idle_timeout_s
        self._unjudged = bytearray()
        self._pending = bytearray()
        self._events: deque[VoiceEvent] = deque()
        self._news = asyncio.Event()
        self._pushing = False
        self._early_keys: list[KeypadEntry] = []
        self._started = False
        self._ended = False
        self._deaf = False
        self._received_bytes = 0
        self._follower: asyncio.Task[None] | None = None
        self._silence_task: asyncio.Task[None] | None = None

    @property
    def speaking(self) -> bool:
        """Whether the caller speaks."""
        return self._voice.speaking

    def change(self, settings: EffectiveVad, turn_audio: TurnAudio | None) -> None:
        """Judge by other values, as soon as the caller is silent.

        Args:
            settings: As in the constructor.
            turn_audio: As in the constructor.
        """
        self._following = (settings, turn_audio)
        self._maybe_change()

    def _maybe_change(self) -> None:
        if self._following is None or self._ended or self._voice.speaking or self._events:
            return
        settings, self._turn_audio = self._following
        self._following = None
        if settings != self._voice.settings:
            self._voice.close()
            self._voice = self._vad.stream(settings, self._rate_hz, self._voice_changed)

    def deafen(self, deaf: bool) -> None:
        """Hear silence in place of the caller, and no keys; or hear them again."""
        self._deaf = deaf

    async def feed(self, pcm: bytes) -> None:
        """Take received audio.

        Args:
            pcm: Whole samples of 16-bit mono PCM at the call's rate. Before the pipeline runs it is kept.
        """
        if self._ended:
            return
        self._received_bytes += len(pcm)
        # Silence keeps the recogniser's connection and the turn's clocks going as the audio would.
        self._unjudged += bytes(len(pcm)) if self._deaf else pcm
        if self._started:
            await self._take_unjudged()

    async def press(self, digit: str) -> None:
        """Take a key press, before the pipeline runs too; keys that phones do not have (A-D) are passed over."""
        key = _KEYS.get(digit)
        if key is None or self._ended or self._deaf:
            return
        if not self._started:
            self._early_keys.append(key)
            return
        await self.push_frame(InputDTMFFrame(key))
        if self._idle_timeout_s > 0:
            # Pipecat knows of the entry only when it is complete; a long number takes longer than the caller's silence.
            await self.push_frame(UserIdleTimeoutUpdateFrame(self._idle_timeout_s))

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Pass frames on; start and stop with the pipeline."""
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, StartFrame):
            self._started = True
            self._follower = self.create_task(self._follow_voice())
            await self._take_unjudged()
            keys, self._early_keys = self._early_keys, []
            for key in keys:
                await self.press(key.value)
        elif isinstance(frame, (EndFrame, CancelFrame)):
            await self._stop()

    async def cleanup(self) -> None:
        """Release the tasks and the place in the engine."""
        await self._stop()
        await super().cleanup()  # type: ignore[no-untyped-call]

    async def _stop(self) -> None:
        self._ended = True
        self._voice.close()
        tasks, self._silence_task, self._follower = (self._silence_task, self._follower), None, None
        for task in tasks:
            if task is not None:
                await self.cancel_task(task)

    async def _take_unjudged(self) -> None:
        """Judge what came, a step at most at a time: speech within a long message is told where it lies in it."""
        while self._unjudged and not self._ended:
            self._maybe_change()
            pcm = bytes(self._unjudged[: self._step_bytes])
            del self._unjudged[: self._step_bytes]
            self._pending += pcm
            if self._turn_audio is not None:
                self._turn_audio.append(pcm)
            self._voice.push(pcm)
            if self._events or len(self._pending) >= self._step_bytes:
                await self._push_pending()

    def _voice_changed(self, event: VoiceEvent) -> None:
        self._events.append(event)
        self._news.set()

    async def _follow_voice(self) -> None:
        """Tell of what the engine finds out between two messages."""
        while True:
            await self._news.wait()
            self._news.clear()
            await self._push_pending()

    async def _push_pending(self) -> None:
        """Push what there is. Who comes while somebody pushes leaves theirs to them, so that nothing is overtaken."""
        if self._pushing:
            return
        self._pushing = True
        try:
            while not self._ended:
                if self._events:
                    # What led to the change goes ahead of it: a recogniser is asked for its result at the end of it.
                    await self._push_audio(len(self._pending))
                    await self._tell(self._events.popleft())
                elif len(self._pending) >= self._step_bytes:
                    await self._push_audio(self._step_bytes)
                else:
                    break
        finally:
            self._pushing = False

    async def _push_audio(self, size: int) -> None:
        if size:
            pcm = bytes(self._pending[:size])
            del self._pending[:size]
            await self.push_frame(InputAudioRawFrame(audio=pcm, sample_rate=self._rate_hz, num_channels=1))

    async def _tell(self, event: VoiceEvent) -> None:
        settings = self._voice.settings
        match event:
            case VoiceEvent.STARTED:
                self._ledger.speech_started(confirmation_s=settings.start_secs)
                if self._turn_audio is not None:
                    self._turn_audio.speech_started()
                if self._silence_task is None:
                    self._silence_task = self.create_task(self._watch_for_silence())
                await self.push_frame(VADUserStartedSpeakingFrame(start_secs=settings.start_secs))
            case VoiceEvent.STOPPED:
                self._ledger.speech_stopped(silence_s=settings.stop_secs)
                await self.push_frame(VADUserStoppedSpeakingFrame(stop_secs=settings.stop_secs))
            case VoiceEvent.PAUSED if self._tell_pauses:
                await self.push_frame(CallerPausedFrame(silence_s=PAUSE_SECS))
            case VoiceEvent.RESUMED if self._tell_pauses:
                await self.push_frame(CallerResumedFrame())
            case _:
                pass

    async def _watch_for_silence(self) -> None:
        """End the caller's speech when the phone system stops sending audio in the middle of it (mute, hold)."""
        seen = -1
        while self._voice.speaking and seen != self._received_bytes:
            seen = self._received_bytes
            await asyncio.sleep(self._audio_timeout_s)
        self._silence_task = None
        # Only then: speech that is just beginning would lose what confirms it.
        if self._voice.speaking:
            self._voice.force_stop()
