"""Moonshine, on a model that the operator has downloaded (https://github.com/moonshine-ai/moonshine)."""

from __future__ import annotations

import math
import threading
import time
from pathlib import Path

import moonshine_voice  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt

from adapters.local_models import LocalRow
from adapters.requests import SttRequest
from adapters.seats import ProviderRow
from adapters.stt.local_recognizer import MODEL_RATE_HZ, LocalRecognizer

_WORDY = frozenset({"ar", "ja", "ko", "tl", "uk", "vi", "zh"})
"""Languages that take more tokens for a second of speech than English, so that its limit would cut them off."""

_PIECE = MODEL_RATE_HZ // 10
"""How many samples the library takes at a time: it converts them one by one, and holds the GIL for 0.2 µs for each."""

_BREATH_S = 0.0002
"""Pause between two pieces, seconds: without it the event loop would wait for the GIL until the interpreter's switch
interval is over, 5 ms, again and again."""


class MoonshineSpeech:
    """A Moonshine model.

    Args:
        path: The model's folder, which is called as on Moonshine's server, for example ``small-streaming-en``.

    Raises:
        Exception: The library does not take the files.
    """

    def __init__(self, path: Path) -> None:
        architecture, _, language = path.name.rpartition("-")
        self._transcriber = moonshine_voice.Transcriber(
            path,
            moonshine_voice.string_to_model_arch(architecture),
            # https://github.com/moonshine-ai/moonshine/blob/main/docs/api/options.md
            options={
                # The utterance was cut already.
                "vad_threshold": "0",
                "vad_max_segment_duration": "30",
                "max_tokens_per_second": "13.0" if language in _WORDY else "6.5",
                "return_audio_data": "false",
            },
        )
        # A transcript belongs to its transcriber, which writes the next one over it.
        self._lock = threading.Lock()

    def transcribe(self, samples: npt.NDArray[np.float32], language: str) -> str:
        """Write down an utterance, as in `SpeechModel.transcribe`; the model has one language."""
        del language
        with self._lock, self._transcriber.create_stream(update_interval=math.inf) as stream:
            stream.start()
            for start in range(0, len(samples), _PIECE):
                stream.add_audio(samples[start : start + _PIECE].tolist(), MODEL_RATE_HZ)
                time.sleep(_BREATH_S)
            transcript = stream.stop()
        if transcript is None:
            # The library has kept the reason to itself.
            raise RuntimeError("Moonshine could not transcribe")
        return " ".join(line.text for line in transcript.lines)


def build(row: ProviderRow, request: SttRequest) -> LocalRecognizer:
    """Make the service.

    Args:
        row: Moonshine's row.
        request: What to make it from; its endpoint is the model's folder.

    Raises:
        InvalidField: The model has another language.
    """
    if isinstance(row, LocalRow):
        row.require_language(request.model, request.language)
    return LocalRecognizer(row, request, MoonshineSpeech)
