"""Kokoro by kokoro-onnx, on a model that the operator has downloaded (https://github.com/thewh1teagle/kokoro-onnx)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from kokoro_onnx import Kokoro
from kokoro_onnx.config import SAMPLE_RATE

from adapters.local_engine import quiet_session
from adapters.local_models import KOKORO, file_of
from adapters.requests import TtsRequest
from adapters.seats import ProviderRow
from adapters.tts.local_voice import LocalVoice
from models.errors import InvalidField

_LANGUAGES: Mapping[str, str] = {
    "a": "en-us",
    "b": "en-gb",
    "e": "es",
    "f": "fr-fr",
    "h": "hi",
    "i": "it",
    "j": "ja",
    "p": "pt-br",
    "z": "cmn",
}
"""The first letter of a voice's name, to eSpeak NG's name of its language
(https://huggingface.co/hexgrad/Kokoro-82M/blob/main/VOICES.md)."""


class KokoroSpeech:
    """A Kokoro model with its voices.

    Args:
        path: The model's folder.

    Raises:
        Exception: ONNX Runtime or kokoro-onnx does not take the files.
    """

    sample_rate_hz = SAMPLE_RATE

    def __init__(self, path: Path) -> None:
        ((model, voices),) = KOKORO.files.values()
        self._kokoro = Kokoro.from_session(quiet_session(file_of(path, model)), str(file_of(path, voices)))
        # The library would keep the archive open, and read a voice anew for each sentence.
        with self._kokoro.voices as archive:
            self._kokoro.voices = {name: archive[name] for name in archive}

    def speak(self, text: str, voice: str) -> Iterator[npt.NDArray[np.float32]]:
        """Speak a text, as in `VoiceModel.speak`, at once.

        Args:
            text: What to say.
            voice: Name of a voice, whose first letter says the language.
        """
        if voice not in self._kokoro.voices:
            raise InvalidField("tts_voice_id", "Kokoro has no such voice")
        phonemes = self._kokoro.tokenizer.phonemize(text, _LANGUAGES.get(voice[:1], "en-us"))
        if phonemes:
            samples, _ = self._kokoro.create(phonemes, voice, is_phonemes=True)
            yield samples


def build(row: ProviderRow, request: TtsRequest) -> LocalVoice:
    """Make the service.

    Args:
        row: Kokoro's row.
        request: What to make it from; its endpoint is the model's folder. The voice decides the language.
    """
    return LocalVoice(row, request, KokoroSpeech)
