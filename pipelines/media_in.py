"""Media in: the first processor of a call's pipeline.

The socket loop hands it decoded audio and digits. Voice activity is judged right here, once, and Smart Turn's audio
kept right here, so that audio frames travel only to the recogniser and not through every processor behind it.
"""

from __future__ import annotations

import asyncio

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

from pipelines.smart_turn import TurnAudio
from pipelines.turn_ledger import TurnLedger
from pipelines.voice_activity import VoiceActivity, VoiceEvent

_KEYS = {entry.value: entry for entry in KeypadEntry}


class MediaInput(FrameProcessor):
    """Turns received media into frames.

    Args:
        voice: Judges the caller's voice activity.
        sample_rate_hz: Rate of the received audio, Hz.
        step_ms: Duration of one audio frame to the recogniser, milliseconds.
        audio_timeout_s: When no audio comes for so long while the caller speaks, the caller is judged silent, seconds.
        idle_timeout_s: Silence before the caller is asked whether they are there, seconds; a key press starts it anew.
            0 for never.
        turn_audio: Keeps the turn's audio for Smart Turn; None when it is off.
        ledger: Gets the times of speech.
    """

    def __init__(
        self,
        *,
        voice: VoiceActivity,
        sample_rate_hz: int,
        ledger: TurnLedger,
        turn_audio: TurnAudio | None = None,
        step_ms: int = 40,
        audio_timeout_s: float = 1.0,
        idle_timeout_s: float = 0.0,
    ) -> None:
        super().__init__()
        self._voice = voice
        self._rate_hz = sample_rate_hz
        self._ledger = ledger
        self._turn_audio = turn_audio
        self._step_bytes = sample_rate_hz * step_ms // 1000 * 2
        self._audio_timeout_s = audio_timeout_s
        self._idle_timeout_s = idle_timeout_s
        self._pending = bytearray()
        self._pushing = False
        self._early_keys: list[KeypadEntry] = []
        self._started = False
        self._ended = False
        self._received_bytes = 0
        self._silence_task: asyncio.Task[None] | None = None

    @property
    def speaking(self) -> bool:
        """Whether the caller speaks."""
        return self._voice.speaking

    async def feed(self, pcm: bytes) -> None:
        """Take received audio.

        Args:
            pcm: Whole samples of 16-bit mono PCM at the call's rate. Before the pipeline runs it is kept.
        """
        if self._ended:
            return
        self._received_bytes += len(pcm)
        self._pending += pcm
        if self._started:
            await self._push_pending()

    async def press(self, digit: str) -> None:
        """Take a key press, before the pipeline runs too; keys that phones do not have (A-D) are passed over."""
        key = _KEYS.get(digit)
        if key is None or self._ended:
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
            await self._push_pending()
            keys, self._early_keys = self._early_keys, []
            for key in keys:
                await self.press(key.value)
        elif isinstance(frame, (EndFrame, CancelFrame)):
            await self._stop()

    async def cleanup(self) -> None:
        """Release the silence timer."""
        await self._stop()
        await super().cleanup()  # type: ignore[no-untyped-call]

    async def _stop(self) -> None:
        self._ended = True
        task, self._silence_task = self._silence_task, None
        if task is not None:
            await self.cancel_task(task)

    async def _push_pending(self) -> None:
        """Push whole steps. Who comes in while somebody pushes leaves theirs to them, so that nothing is overtaken."""
        if self._pushing:
            return
        self._pushing = True
        try:
            # Never more than a step at once: speech that began and ended within one piece would go unnoticed.
            while len(self._pending) >= self._step_bytes and not self._ended:
                pcm = bytes(self._pending[: self._step_bytes])
                del self._pending[: self._step_bytes]
                await self._push(pcm)
        finally:
            self._pushing = False

    async def _push(self, pcm: bytes) -> None:
        event = self._voice.push(pcm)
        if self._turn_audio is not None:
            self._turn_audio.append(pcm)
        # The start goes ahead of the audio that confirmed it, so that a recogniser which works per utterance has it.
        if event is VoiceEvent.STARTED:
            await self._speech_started()
        await self.push_frame(InputAudioRawFrame(audio=pcm, sample_rate=self._rate_hz, num_channels=1))
        if event is VoiceEvent.STOPPED:
            await self._speech_stopped()

    async def _speech_started(self) -> None:
        start_secs = self._voice.settings.start_secs
        self._ledger.speech_started(confirmation_s=start_secs)
        if self._turn_audio is not None:
            self._turn_audio.speech_started()
        if self._silence_task is None:
            self._silence_task = self.create_task(self._watch_for_silence())
        await self.push_frame(VADUserStartedSpeakingFrame(start_secs=start_secs))

    async def _speech_stopped(self) -> None:
        stop_secs = self._voice.settings.stop_secs
        self._ledger.speech_stopped(silence_s=stop_secs)
        await self.push_frame(VADUserStoppedSpeakingFrame(stop_secs=stop_secs))

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
            await self._speech_stopped()
