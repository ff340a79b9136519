"""Silero VAD on one ONNX session for all calls of a process.

The weights are the ``silero_vad.onnx`` inside the ``pipecat-ai`` package, the same file as in silero-vad 6.2.3 (a test
pins its SHA-256). The session is shared; every call keeps its own recurrent state in a `SileroStream`, so that calls do
not hear each other and no call pays for loading a model.
"""

from __future__ import annotations

from importlib import resources

import numpy as np
import onnxruntime
from numpy.typing import NDArray

_STATE_SHAPE = (2, 1, 128)

# Non-speech shifts the recurrent state so that later speech is under-reported; a periodic reset during clear
# non-speech clears it. The three figures are those of Pipecat's own Silero analyzer, whose verdicts ours must equal.
_RESET_INTERVAL_S = 2.0
_RESET_MAX_CONFIDENCE = 0.1
_RESET_LOW_WINDOWS = 5


class SileroSession:
    """The loaded model. It holds no state of any call."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.inter_op_num_threads = 1
        options.intra_op_num_threads = 1
        weights = resources.files("pipecat.audio.vad.data").joinpath("silero_vad.onnx").read_bytes()
        self._session = onnxruntime.InferenceSession(weights, sess_options=options, providers=["CPUExecutionProvider"])
        self._rates = {rate_hz: np.array(rate_hz, dtype=np.int64) for rate_hz in (8_000, 16_000)}

    def score(
        self, samples: NDArray[np.float32], state: NDArray[np.float32], sample_rate_hz: int
    ) -> tuple[float, NDArray[np.float32]]:
        """Score one window.

        Args:
            samples: Context and window, shape (1, 32 + 256) at 8 kHz or (1, 64 + 512) at 16 kHz, in [-1, 1].
            state: Recurrent state, shape (2, 1, 128).
            sample_rate_hz: 8000 or 16000.

        Returns:
            Speech confidence in [0, 1] and the next state.
        """
        confidence, next_state = self._session.run(
            None, {"input": samples, "state": state, "sr": self._rates[sample_rate_hz]}
        )
        return float(confidence[0, 0]), next_state


class SileroStream:
    """One call's recurrent state on the shared session.

    Args:
        sample_rate_hz: 8000 or 16000.
        session: The loaded model.

    Raises:
        ValueError: Silero has no such sample rate.
    """

    def __init__(self, sample_rate_hz: int, session: SileroSession) -> None:
        if sample_rate_hz not in (8_000, 16_000):
            raise ValueError("Silero runs at 8000 or 16000 Hz")
        self.sample_rate_hz = sample_rate_hz
        self.window_samples = 256 if sample_rate_hz == 8_000 else 512
        self._session = session
        self._context_samples = 32 if sample_rate_hz == 8_000 else 64
        self._input = np.zeros((1, self._context_samples + self.window_samples), dtype=np.float32)
        self._state = np.zeros(_STATE_SHAPE, dtype=np.float32)
        self._windows_since_reset = 0
        self._low_windows = 0

    def score(self, window: bytes, *, quiet: bool) -> float:
        """Score the next window of the stream.

        Args:
            window: `window_samples` samples of 16-bit mono PCM.
            quiet: Whether the caller is judged silent before this window; only then may the state be reset after it.

        Returns:
            Speech confidence in [0, 1].
        """
        context = self._context_samples
        self._input[0, context:] = np.frombuffer(window, dtype=np.int16)
        self._input[0, context:] /= 32768.0
        confidence, self._state = self._session.score(self._input, self._state, self.sample_rate_hz)
        self._input[0, :context] = self._input[0, -context:]
        self._maybe_reset(confidence, quiet=quiet)
        return confidence

    def _maybe_reset(self, confidence: float, *, quiet: bool) -> None:
        self._windows_since_reset += 1
        self._low_windows = self._low_windows + 1 if confidence < _RESET_MAX_CONFIDENCE else 0
        due = self._windows_since_reset * self.window_samples >= _RESET_INTERVAL_S * self.sample_rate_hz
        if due and quiet and self._low_windows >= _RESET_LOW_WINDOWS:
            self._state = np.zeros(_STATE_SHAPE, dtype=np.float32)
            self._input[:] = 0.0
            self._windows_since_reset = 0
