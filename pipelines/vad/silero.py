"""Silero VAD on one ONNX session for all calls of a process.

The weights are the ``silero_vad.onnx`` inside the ``pipecat-ai`` package, the same file as in silero-vad 6.2.3 (a test
pins its SHA-256). The session holds nothing of any call: each keeps its own recurrent state in a `SileroState`, and
windows of many calls are scored in one run, with the same results to the last bit as one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

import numpy as np
import onnxruntime
from numpy.typing import NDArray

MAX_BATCH = 64
"""Most windows in one run."""

_STATE_SIZE = 128
_FORMATS = {8_000: (32, 256), 16_000: (64, 512)}
"""Samples of context and of a window, by sample rate."""

# Non-speech shifts the recurrent state so that later speech is under-reported; a periodic reset during clear
# non-speech clears it. The three figures are those of Pipecat's own Silero analyzer, whose verdicts ours must equal.
_RESET_INTERVAL_S = 2.0
_RESET_MAX_CONFIDENCE = 0.1
_RESET_LOW_WINDOWS = 5


class SileroState:
    """What the model remembers of one call.

    Args:
        sample_rate_hz: 8000 or 16000.

    Attributes:
        sample_rate_hz: Rate of the call's audio, Hz.
        window_samples: Samples of one window: 32 ms.
        context: The end of the last window, float32, shape (32,) at 8 kHz or (64,) at 16 kHz.
        recurrent: The model's own state, float32, shape (2, 128).

    Raises:
        ValueError: Silero has no such sample rate.
    """

    __slots__ = ("_low_windows", "_windows_since_reset", "context", "recurrent", "sample_rate_hz", "window_samples")

    def __init__(self, sample_rate_hz: int) -> None:
        if sample_rate_hz not in _FORMATS:
            raise ValueError("Silero runs at 8000 or 16000 Hz")
        self.sample_rate_hz = sample_rate_hz
        self.window_samples = _FORMATS[sample_rate_hz][1]
        self._low_windows = 0
        self._reset()

    def scored(self, confidence: float, *, quiet: bool) -> None:
        """Take note of a window's score and reset the state when that is due.

        Args:
            confidence: The window's score.
            quiet: Whether the caller was judged silent before this window; only then may the state be reset after it.
        """
        self._windows_since_reset += 1
        self._low_windows = self._low_windows + 1 if confidence < _RESET_MAX_CONFIDENCE else 0
        due = self._windows_since_reset * self.window_samples >= _RESET_INTERVAL_S * self.sample_rate_hz
        if due and quiet and self._low_windows >= _RESET_LOW_WINDOWS:
            self._reset()

    def _reset(self) -> None:
        self.context: NDArray[np.float32] = np.zeros(_FORMATS[self.sample_rate_hz][0], dtype=np.float32)
        self.recurrent: NDArray[np.float32] = np.zeros((2, _STATE_SIZE), dtype=np.float32)
        self._windows_since_reset = 0


class SileroSession:
    """The loaded model. To be used by one thread at a time."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.inter_op_num_threads = 1
        options.intra_op_num_threads = 1
        weights = resources.files("pipecat.audio.vad.data").joinpath("silero_vad.onnx").read_bytes()
        self._session = onnxruntime.InferenceSession(weights, sess_options=options, providers=["CPUExecutionProvider"])
        self._rates = {rate_hz: np.array(rate_hz, dtype=np.int64) for rate_hz in _FORMATS}
        self._inputs = {
            rate_hz: np.zeros((MAX_BATCH, context + window), dtype=np.float32)
            for rate_hz, (context, window) in _FORMATS.items()
        }
        self._states = np.zeros((2, MAX_BATCH, _STATE_SIZE), dtype=np.float32)

    def score(self, states: Sequence[SileroState], windows: Sequence[bytes | bytearray | memoryview]) -> list[float]:
        """Score the next window of each of some calls.

        Args:
            states: The calls' states, at most `MAX_BATCH` different ones of one sample rate. They move on.
            windows: For each its next window: 16-bit mono PCM of `SileroState.window_samples` samples.

        Returns:
            For each its speech confidence in [0, 1].
        """
        count, rate_hz = len(states), states[0].sample_rate_hz
        context = _FORMATS[rate_hz][0]
        inputs, recurrent = self._inputs[rate_hz][:count], self._states[:, :count]
        for row, (state, window) in enumerate(zip(states, windows, strict=True)):
            inputs[row, :context] = state.context
            inputs[row, context:] = np.frombuffer(window, dtype=np.int16)
            recurrent[:, row] = state.recurrent
        inputs[:, context:] /= 32768.0
        confidences, following = self._session.run(
            None, {"input": inputs, "state": recurrent, "sr": self._rates[rate_hz]}
        )
        for row, state in enumerate(states):
            state.context = inputs[row, -context:].copy()
            state.recurrent = following[:, row]
        return [float(confidence) for confidence in confidences[:, 0]]
