"""When the caller speaks: a state machine over scored windows, with no thread, no task and no clock.

Its verdicts equal those of Pipecat's ``SileroVADAnalyzer`` for the same audio and settings (a test compares them over
speech, noise, music and silence). Beyond those it tells of a pause: silence too short to be the end of the speech, but
long enough to prepare for it.
"""

from __future__ import annotations

from enum import StrEnum

from models.vad import EffectiveVad
from pipelines.vad.loudness import LoudnessGate

PAUSE_SECS = 0.1
"""Silence that makes a pause, seconds: longer than the gaps within words, half of the usual silence window."""


class VoiceState(StrEnum):
    """Where the detector stands."""

    QUIET = "quiet"
    STARTING = "starting"
    SPEAKING = "speaking"
    STOPPING = "stopping"


class VoiceEvent(StrEnum):
    """What changed."""

    STARTED = "started"
    """Speech is confirmed: it began ``start_secs`` ago."""
    PAUSED = "paused"
    """The speech may be over: silence for `PAUSE_SECS`. Not told when ``stop_secs`` is no longer than that."""
    RESUMED = "resumed"
    """It was not over."""
    STOPPED = "stopped"
    """Silence is confirmed: it began ``stop_secs`` ago."""


class VoiceActivity:
    """One caller's voice activity.

    Args:
        settings: The call's effective ``vad_config``.
        sample_rate_hz: Rate of the audio, Hz.
        window_samples: Samples of one window.
        pause_secs: Silence that makes a pause, seconds.
    """

    def __init__(
        self,
        settings: EffectiveVad,
        *,
        sample_rate_hz: int,
        window_samples: int,
        pause_secs: float = PAUSE_SECS,
    ) -> None:
        self.settings = settings
        self.state = VoiceState.QUIET
        window_s = window_samples / sample_rate_hz
        self._start_windows = round(settings.start_secs / window_s)
        self._stop_windows = round(settings.stop_secs / window_s)
        self._pause_windows = max(1, round(pause_secs / window_s))
        self._count = 0
        self._loudness = LoudnessGate(sample_rate_hz, window_samples)

    @property
    def speaking(self) -> bool:
        """Whether speech is confirmed and silence is not."""
        return self.state in (VoiceState.SPEAKING, VoiceState.STOPPING)

    @property
    def quiet(self) -> bool:
        """Whether not even the beginning of speech was heard."""
        return self.state is VoiceState.QUIET

    @property
    def soonest(self) -> int:
        """The earliest window that can change anything, whatever is said: 1 for the next one."""
        match self.state:
            case VoiceState.QUIET | VoiceState.STARTING:
                left = self._start_windows - self._count
            case VoiceState.STOPPING if self._count >= self._pause_windows:
                left = 1  # It would be told at once that the caller goes on.
            case _:
                left = min(self._stop_windows, self._pause_windows) - self._count
        return max(1, left)

    def judge(self, window: bytes | bytearray | memoryview, confidence: float) -> VoiceEvent | None:
        """Take the next window and say what changed.

        Args:
            window: 16-bit mono PCM.
            confidence: The model's confidence that it is speech, in [0, 1].
        """
        self._loudness.push(window)
        voice = confidence >= self.settings.confidence and self._loudness.at_least(self.settings.min_volume)
        match self.state, voice:
            case VoiceState.QUIET, True:
                self._set_state(VoiceState.STARTING, 1)
            case VoiceState.STARTING, False:
                self._set_state(VoiceState.QUIET, 0)
            case VoiceState.SPEAKING, False:
                self._set_state(VoiceState.STOPPING, 1)
            case VoiceState.STOPPING, True:
                paused = self._pause_windows <= self._count
                self._set_state(VoiceState.SPEAKING, 0)
                return VoiceEvent.RESUMED if paused else None
            case (VoiceState.STARTING, True) | (VoiceState.STOPPING, False):
                self._count += 1
        return self._confirmed()

    def force_stop(self) -> VoiceEvent | None:
        """Judge the caller silent because no audio comes any more."""
        event = VoiceEvent.STOPPED if self.speaking else None
        self._set_state(VoiceState.QUIET, 0)
        return event

    def _confirmed(self) -> VoiceEvent | None:
        if self.state is VoiceState.STARTING and self._count >= self._start_windows:
            self._set_state(VoiceState.SPEAKING, 0)
            return VoiceEvent.STARTED
        if self.state is VoiceState.STOPPING:
            if self._count >= self._stop_windows:
                self._set_state(VoiceState.QUIET, 0)
                return VoiceEvent.STOPPED
            if self._count == self._pause_windows:
                return VoiceEvent.PAUSED
        return None

    def _set_state(self, state: VoiceState, count: int) -> None:
        self.state = state
        self._count = count
