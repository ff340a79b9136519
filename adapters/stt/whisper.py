"""Whisper by faster-whisper, on a model that the operator has downloaded (https://github.com/SYSTRAN/faster-whisper)."""

from __future__ import annotations

from pathlib import Path

import faster_whisper  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt

from adapters.local_engine import THREADS, WORKERS
from adapters.local_models import WHISPER, LocalRow, file_of
from adapters.requests import SttRequest
from adapters.seats import ProviderRow
from adapters.stt.local_recognizer import LocalRecognizer

_MOST_SILENCE = 0.6
"""Probability of "no speech" from which a piece counts as silence, of which Whisper likes to make up text."""


class WhisperSpeech:
    """A Whisper model. It runs on the processor.

    Args:
        path: The model's folder.

    Raises:
        Exception: CTranslate2 or the tokenizer does not take the files.
    """

    def __init__(self, path: Path) -> None:
        # Without one of them, the library would ask Hugging Face.
        for patterns in WHISPER.files.values():
            for pattern in patterns:
                file_of(path, pattern)
        self._model = faster_whisper.WhisperModel(
            str(path), device="cpu", local_files_only=True, cpu_threads=THREADS, num_workers=WORKERS
        )

    def transcribe(self, samples: npt.NDArray[np.float32], language: str) -> str:
        """Write down an utterance, as in `SpeechModel.transcribe`.

        An English model takes everything for English. One temperature, so that a piece is decoded once.
        """
        segments, _ = self._model.transcribe(
            samples,
            language=language or None,
            beam_size=1,
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=True,
        )
        return " ".join(piece.text for piece in segments if piece.no_speech_prob < _MOST_SILENCE)


def build(row: ProviderRow, request: SttRequest) -> LocalRecognizer:
    """Make the service.

    Args:
        row: Whisper's row.
        request: What to make it from; its endpoint is the model's folder.

    Raises:
        InvalidField: The model does not understand the language.
    """
    if isinstance(row, LocalRow):
        row.require_language(request.model, request.language)
    return LocalRecognizer(row, request, WhisperSpeech)
